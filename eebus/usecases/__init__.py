"""The use cases LPC, LPP, MPC and MGCP, each role a module, without any input or output."""
