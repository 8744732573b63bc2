package main

import (
	"maps"
	"net"
	"sync"
	"time"

	"github.com/enbility/ship-go/api"
	"github.com/enbility/ship-go/mdns"
)

// neighbours is what the hub knows of other nodes: those with a configured address and, when mDNS is on, those
// that announce themselves. The hub dials what is reported here and trusted.
type neighbours struct {
	*mdns.MdnsManager
	discover bool // announce and browse with mDNS
	dial     bool // report nodes to the hub; otherwise this node only waits to be dialled

	mutex  sync.Mutex
	fixed  map[string]*api.MdnsEntry
	report api.MdnsReportInterface

	stopped chan struct{}
}

var (
	_ api.MdnsInterface       = (*neighbours)(nil)
	_ api.MdnsReportInterface = (*neighbours)(nil)
)

// place gives a node a fixed address, or takes it away when the address is nil.
func (n *neighbours) place(ski string, address net.IP, port int) {
	n.mutex.Lock()
	defer n.mutex.Unlock()
	if address == nil {
		delete(n.fixed, ski)
		return
	}
	n.fixed[ski] = &api.MdnsEntry{
		Name: "fixed-" + ski, Ski: ski, Identifier: "", Path: "/ship/", Port: port, Addresses: []net.IP{address},
	}
}

func (n *neighbours) Start(mode api.PairingMode, report api.MdnsReportInterface) error {
	n.mutex.Lock()
	n.report = report
	n.mutex.Unlock()
	if n.discover {
		if err := n.MdnsManager.Start(mode, n); err != nil {
			return err
		}
		return n.MdnsManager.AnnounceMdnsEntry()
	}
	n.stopped = make(chan struct{})
	go n.repeat(n.stopped)
	return nil
}

// repeat reports the fixed places again and again, as renewed announcements do for announced ones: after some
// disconnects the hub forgets its planned dial and waits for the next report.
func (n *neighbours) repeat(stopped chan struct{}) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		n.ReportMdnsEntries(nil, false)
		select {
		case <-ticker.C:
		case <-stopped:
			return
		}
	}
}

func (n *neighbours) Shutdown() {
	if n.stopped != nil {
		close(n.stopped)
		n.stopped = nil
	}
	if n.discover {
		n.MdnsManager.Shutdown()
	}
}

func (n *neighbours) AnnounceMdnsEntry() error {
	if n.discover {
		return n.MdnsManager.AnnounceMdnsEntry()
	}
	return nil
}

func (n *neighbours) UnannounceMdnsEntry() {
	if n.discover {
		n.MdnsManager.UnannounceMdnsEntry()
	}
}

func (n *neighbours) SetAutoAccept(accept bool) {
	if n.discover {
		n.MdnsManager.SetAutoAccept(accept)
	}
}

func (n *neighbours) RequestMdnsEntries() {
	if n.discover {
		n.MdnsManager.RequestMdnsEntries()
		return
	}
	go n.ReportMdnsEntries(nil, false)
}

// ReportMdnsEntries gets the announced nodes and hands them on together with the configured ones.
func (n *neighbours) ReportMdnsEntries(announced map[string]*api.MdnsEntry, isNew bool) {
	n.mutex.Lock()
	report := n.report
	known := make(map[string]*api.MdnsEntry, len(announced)+len(n.fixed))
	maps.Copy(known, announced)
	for _, entry := range n.fixed {
		copied := *entry // the hub sorts and replaces the addresses of what it gets
		known[copied.Name] = &copied
	}
	n.mutex.Unlock()
	if report != nil && n.dial {
		report.ReportMdnsEntries(known, isNew)
	}
}
