package main

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	eebusapi "github.com/enbility/eebus-go/api"
	shipapi "github.com/enbility/ship-go/api"
	"github.com/enbility/ship-go/hub"
	"github.com/enbility/ship-go/mdns"
	spineapi "github.com/enbility/spine-go/api"
	"github.com/enbility/spine-go/model"
	"github.com/enbility/spine-go/spine"
)

const brand = "HemsTest"

// description is what a role announces about its device.
type description struct {
	model      string
	category   shipapi.DeviceCategoryType
	deviceType model.DeviceTypeType
	entity     model.EntityTypeType
}

// role is the use-case side of a node: its features, and the commands that belong to them.
type role interface {
	describe() description
	attach(peer *node, device *spine.DeviceLocal, entity spineapi.EntityLocalInterface) error
	handle(command string, line []byte) (any, error)
}

// node couples the hub (SHIP) with the device (SPINE), like the service of eebus-go does, but with neighbours of
// its own, so that a partner can be dialled at a fixed address and port without mDNS.
type node struct {
	out          *output
	role         role
	certificate  tls.Certificate
	ski          string
	serial       string
	waitForTrust atomic.Bool

	device     *spine.DeviceLocal
	hub        *hub.Hub
	neighbours *neighbours
}

var _ shipapi.HubReaderInterface = (*node)(nil)

// partner is another node by its SKI, with an address when it shall be dialled there.
type partner struct {
	SKI     string `json:"ski"`
	Address string `json:"address"`
	Port    int    `json:"port"`
}

type startCommand struct {
	Port              int       `json:"port"`
	Mdns              bool      `json:"mdns"`
	Interfaces        []string  `json:"interfaces"`
	Dial              bool      `json:"dial"`
	WaitForTrust      bool      `json:"wait_for_trust"`
	HeartbeatTimeoutS int       `json:"heartbeat_timeout_s"`
	Partners          []partner `json:"partners"`
}

func (n *node) shipID() string {
	return fmt.Sprintf("%s-%s-%s", brand, n.role.describe().model, n.serial)
}

func (n *node) handle(command string, line []byte) (any, error) {
	switch command {
	case "start":
		return decodeAnd(line, n.start)
	case "quit":
		n.stop()
		return nil, nil
	}
	if n.hub == nil {
		return nil, errors.New("not started")
	}
	switch command {
	case "pair":
		return decodeAnd(line, func(p partner) (any, error) { return nil, n.pair(p) })
	case "unpair":
		return decodeAnd(line, func(p partner) (any, error) {
			n.neighbours.place(p.SKI, nil, 0)
			n.hub.UnregisterRemoteService(shipapi.SKIToServiceIdentity(p.SKI))
			return nil, nil
		})
	case "disconnect":
		return decodeAnd(line, func(p partner) (any, error) {
			n.hub.DisconnectService(shipapi.SKIToServiceIdentity(p.SKI), "asked by the test")
			return nil, nil
		})
	case "wait_for_trust":
		return decodeAnd(line, func(c struct{ On bool }) (any, error) {
			n.waitForTrust.Store(c.On)
			return nil, nil
		})
	default:
		return n.role.handle(command, line)
	}
}

// decodeAnd decodes the members of a command and runs it.
func decodeAnd[T any](line []byte, run func(T) (any, error)) (any, error) {
	var parameters T
	if err := json.Unmarshal(line, &parameters); err != nil {
		return nil, err
	}
	return run(parameters)
}

func (n *node) start(command startCommand) (any, error) {
	if n.hub != nil {
		return nil, errors.New("already started")
	}
	about := n.role.describe()
	n.device = spine.NewDeviceLocal(brand, about.model, n.serial, n.shipID(),
		fmt.Sprintf("d:_n:%s_%s-%s", brand, about.model, n.serial),
		about.deviceType, model.NetworkManagementFeatureSetTypeSmart)
	heartbeatTimeout := time.Duration(command.HeartbeatTimeoutS) * time.Second
	entity := spine.NewEntityLocal(n.device, about.entity, []model.AddressEntityType{1}, heartbeatTimeout)
	n.device.AddEntity(entity)
	if err := n.role.attach(n, n.device, entity); err != nil {
		return nil, err
	}
	if err := n.startHub(command, about); err != nil {
		return nil, err
	}
	return fields{"ski": n.ski, "ship_id": n.shipID(), "port": command.Port}, nil
}

func (n *node) startHub(command startCommand, about description) error {
	local, err := shipapi.NewServiceDetails(n.ski, "", n.shipID())
	if err != nil {
		return err
	}
	n.waitForTrust.Store(command.WaitForTrust)
	n.neighbours = &neighbours{
		MdnsManager: mdns.NewMDNS(n.ski, brand, about.model, string(about.deviceType), n.serial,
			[]shipapi.DeviceCategoryType{about.category}, n.shipID(), n.shipID(), command.Port, command.Interfaces,
			mdns.MdnsProviderSelectionGoZeroConfOnly),
		discover: command.Mdns, dial: command.Dial, fixed: make(map[string]*shipapi.MdnsEntry),
	}
	connections, err := hub.NewHub(n, n.neighbours, command.Port, n.certificate, local, nil, nil)
	if err != nil {
		return err
	}
	n.hub = connections
	for _, known := range command.Partners {
		if err := n.pair(known); err != nil {
			return err
		}
	}
	return n.hub.Start()
}

func (n *node) pair(p partner) error {
	if p.Address != "" {
		address := net.ParseIP(p.Address)
		if address == nil {
			return fmt.Errorf("not an IP address: %q", p.Address)
		}
		n.neighbours.place(p.SKI, address, p.Port)
	}
	n.hub.RegisterRemoteService(shipapi.SKIToServiceIdentity(p.SKI))
	return nil
}

func (n *node) stop() {
	if n.hub != nil {
		n.hub.Shutdown()
		n.hub = nil
	}
}

// addUseCase announces a use case and its features on our entity.
func addUseCase(useCase eebusapi.UseCaseInterface) error {
	if err := useCase.AddFeatures(); err != nil {
		return err
	}
	useCase.AddUseCase()
	return nil
}

// What the hub reports.

func (n *node) RemoteServiceConnected(identity shipapi.ServiceIdentity) {
	n.out.event("connected", fields{"ski": identity.SKI})
}

func (n *node) RemoteServiceDisconnected(identity shipapi.ServiceIdentity) {
	n.device.RemoveRemoteDeviceConnection(identity.SKI)
	n.out.event("disconnected", fields{"ski": identity.SKI})
}

func (n *node) SetupRemoteService(
	identity shipapi.ServiceIdentity, writer shipapi.ShipConnectionDataWriterInterface,
) shipapi.ShipConnectionDataReaderInterface {
	return n.device.SetupRemoteDevice(identity.SKI, writer)
}

func (n *node) VisibleRemoteMdnsServicesUpdated(entries []shipapi.RemoteMdnsService) {
	if !n.neighbours.discover {
		return // only the fixed places, again and again
	}
	visible := []fields{}
	for _, entry := range entries {
		visible = append(visible, fields{
			"ski": entry.Ski, "ship_id": entry.ShipID, "brand": entry.Brand, "model": entry.Model, "type": entry.Type,
			"serial": entry.Serial, "categories": entry.Categories,
		})
	}
	n.out.event("visible", fields{"services": visible})
}

func (n *node) ServiceUpdated(identity shipapi.ServiceIdentity) {
	n.out.event("ship_id", fields{"ski": identity.SKI, "ship_id": identity.ShipID})
}

var pairingStates = map[shipapi.ConnectionState]string{
	shipapi.ConnectionStateNone:                   "none",
	shipapi.ConnectionStateQueued:                 "queued",
	shipapi.ConnectionStateInitiated:              "initiated",
	shipapi.ConnectionStateReceivedPairingRequest: "received_pairing_request",
	shipapi.ConnectionStateInProgress:             "in_progress",
	shipapi.ConnectionStateTrusted:                "trusted",
	shipapi.ConnectionStatePin:                    "pin",
	shipapi.ConnectionStateCompleted:              "completed",
	shipapi.ConnectionStateRemoteDeniedTrust:      "remote_denied_trust",
	shipapi.ConnectionStateError:                  "error",
}

func (n *node) ServicePairingDetailUpdate(identity shipapi.ServiceIdentity, detail *shipapi.ConnectionStateDetail) {
	text := ""
	if err := detail.Error(); err != nil {
		text = err.Error()
	}
	n.out.event("pairing", fields{"ski": identity.SKI, "state": pairingStates[detail.State()], "error": text})
}

func (n *node) AllowWaitingForTrust(shipapi.ServiceIdentity) bool {
	return n.waitForTrust.Load()
}
