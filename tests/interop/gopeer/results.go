package main

import (
	"errors"
	"sync"
	"time"

	spineapi "github.com/enbility/spine-go/api"
	"github.com/enbility/spine-go/model"
)

// answerTimeout is longer than the ten seconds that SPINE gives a peer for a result.
const answerTimeout = 15 * time.Second

var errNoAnswer = errors.New("no answer")

// answer is the result message for one write.
type answer struct {
	number      uint
	description string
	at          time.Time
}

// results pairs result messages with writes by message counter. The per-message callbacks of the stack are
// registered after sending and miss a fast answer now and then; this table also keeps an answer that comes before
// anybody waits for it.
type results struct {
	mutex sync.Mutex
	slots map[resultKey]chan answer
}

type resultKey struct {
	ski     string
	counter model.MsgCounterType
}

func newResults() *results {
	return &results{slots: make(map[resultKey]chan answer)}
}

func (r *results) slot(key resultKey) chan answer {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	slot, known := r.slots[key]
	if !known {
		slot = make(chan answer, 1)
		r.slots[key] = slot
	}
	return slot
}

// deliver is the result callback of a client feature.
func (r *results) deliver(message spineapi.ResponseMessage) {
	at := time.Now()
	result, ok := message.Data.(*model.ResultDataType)
	if !ok || result.ErrorNumber == nil {
		return
	}
	got := answer{number: uint(*result.ErrorNumber), at: at}
	if result.Description != nil {
		got.description = string(*result.Description)
	}
	select {
	case r.slot(resultKey{message.DeviceRemote.Ski(), message.MsgCounterReference}) <- got:
	default: // a second result for the same message
	}
}

// await blocks until the result for a write has come.
func (r *results) await(ski string, counter model.MsgCounterType) (answer, error) {
	key := resultKey{ski, counter}
	defer func() {
		r.mutex.Lock()
		delete(r.slots, key)
		r.mutex.Unlock()
	}()
	select {
	case got := <-r.slot(key):
		return got, nil
	case <-time.After(answerTimeout):
		return answer{}, errNoAnswer
	}
}
