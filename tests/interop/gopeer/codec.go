package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"

	shipapi "github.com/enbility/ship-go/api"
	shipmodel "github.com/enbility/ship-go/model"
	"github.com/enbility/ship-go/ship"
	"github.com/enbility/spine-go/model"
)

// codec measures how many data frames the stack reads and writes in a second of processor time, with the frames
// of a recording (JSON lines with "type" and "text").
type codec struct{}

type codecCommand struct {
	File    string  `json:"file"`
	Seconds float64 `json:"seconds"`
}

func (c codec) handle(command string, line []byte) (any, error) {
	switch command {
	case "decode":
		return decodeAnd(line, c.decode)
	case "encode":
		return decodeAnd(line, c.encode)
	case "quit":
		return nil, nil
	default:
		return nil, fmt.Errorf("unknown command %q", command)
	}
}

func (c codec) decode(command codecCommand) (any, error) {
	frames, err := recordedFrames(command.File)
	if err != nil {
		return nil, err
	}
	return measured(command.Seconds, len(frames), func(index int) error {
		_, err := datagramOf(frames[index])
		return err
	})
}

func (c codec) encode(command codecCommand) (any, error) {
	frames, err := recordedFrames(command.File)
	if err != nil {
		return nil, err
	}
	datagrams := make([]*model.Datagram, len(frames))
	for index, frame := range frames {
		if datagrams[index], err = datagramOf(frame); err != nil {
			return nil, err
		}
	}
	connection := ship.NewConnectionHandler(nil, nowhere{}, ship.ShipRoleClient, "", "", "")
	return measured(command.Seconds, len(frames), func(index int) error {
		text, err := json.Marshal(datagrams[index])
		connection.WriteShipMessageWithPayload(text)
		return err
	})
}

// measured goes round and round over the frames for some time of the processor.
func measured(seconds float64, count int, one func(index int) error) (any, error) {
	runtime.GOMAXPROCS(1)
	started := processorTime()
	done := 0
	for (processorTime() - started).Seconds() < seconds {
		for index := range count {
			if err := one(index); err != nil {
				return nil, err
			}
		}
		done += count
	}
	return fields{"frames_per_s": float64(done) / (processorTime() - started).Seconds()}, nil
}

// processorTime is what this process has used; other programs on the machine do not count.
func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// datagramOf takes the steps of the stack from a data frame to a datagram, without the one that repairs empty lists.
func datagramOf(frame []byte) (*model.Datagram, error) {
	var data shipmodel.ShipData
	if err := json.Unmarshal(ship.JsonFromEEBUSJson(frame[1:]), &data); err != nil {
		return nil, err
	}
	var datagram model.Datagram
	if err := json.Unmarshal(data.Data.Payload, &datagram); err != nil {
		return nil, err
	}
	return &datagram, nil
}

func recordedFrames(file string) ([][]byte, error) {
	opened, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	lines := bufio.NewScanner(opened)
	lines.Buffer(nil, 1<<20)
	var frames [][]byte
	for lines.Scan() {
		var recorded struct {
			Type *byte
			Text string
		}
		if err := json.Unmarshal(lines.Bytes(), &recorded); err != nil {
			return nil, err
		}
		if recorded.Type != nil && *recorded.Type == shipmodel.MsgTypeData {
			frames = append(frames, append([]byte{shipmodel.MsgTypeData}, recorded.Text...))
		}
	}
	return frames, lines.Err()
}

// nowhere is the end of a connection that swallows what is sent.
type nowhere struct{}

var _ shipapi.WebsocketDataWriterInterface = nowhere{}

func (nowhere) InitDataProcessing(shipapi.WebsocketDataReaderInterface) {}
func (nowhere) WriteMessageToWebsocketConnection([]byte) error          { return nil }
func (nowhere) CloseDataConnection(int, string)                         {}
func (nowhere) IsDataConnectionClosed() (bool, error)                   { return false, nil }
