// Command gopeer plays one EEBUS node with the stack of the enbility project: the Steuerbox (mode box) or a
// controllable system (mode cs); mode codec only measures the stack's reading and writing of frames. It is driven by JSON lines on standard input and answers on standard output;
// ../README.md describes the lines. Errors and, with -debug, the log of the stack go to standard error.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	"github.com/enbility/ship-go/logging"
)

func main() {
	mode := flag.String("mode", "box", "box, cs or codec")
	directory := flag.String("dir", "", "directory that keeps key and certificate between runs")
	serial := flag.String("serial", "1", "serial number, part of the SHIP id")
	debug := flag.Bool("debug", false, "write the log of the stack to standard error")
	flag.Parse()

	if err := run(*mode, *directory, *serial, *debug); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(mode, directory, serial string, debug bool) error {
	out := newOutput(os.Stdout)
	if mode == "codec" {
		return serve(out, codec{}.handle)
	}
	role, err := roleFor(mode)
	if err != nil {
		return err
	}
	certificate, ski, err := loadOrCreateIdentity(directory, role.describe().model+"-"+serial)
	if err != nil {
		return err
	}
	logging.SetLogging(&stackLog{out: out, debug: debug})
	peer := &node{out: out, certificate: certificate, ski: ski, serial: serial, role: role}
	out.event("ready", fields{"ski": ski, "ship_id": peer.shipID()})
	defer peer.stop()
	return serve(out, peer.handle)
}

func roleFor(mode string) (role, error) {
	switch mode {
	case "box":
		return &box{results: newResults()}, nil
	case "cs":
		return &controllableSystem{}, nil
	default:
		return nil, fmt.Errorf("unknown mode %q, known are box, cs and codec", mode)
	}
}

// serve runs one command after the other until quit or the end of the input.
func serve(out *output, handle func(command string, line []byte) (any, error)) error {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var head struct {
			ID      int    `json:"id"`
			Command string `json:"command"`
		}
		if err := json.Unmarshal(lines.Bytes(), &head); err != nil {
			return fmt.Errorf("not a command: %w", err)
		}
		data, err := handle(head.Command, lines.Bytes())
		if err != nil {
			out.event("reply", fields{"id": head.ID, "ok": false, "error": err.Error()})
		} else {
			out.event("reply", fields{"id": head.ID, "ok": true, "data": data})
		}
		if head.Command == "quit" {
			return nil
		}
	}
	return lines.Err()
}
