package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// fields are the members of one JSON line.
type fields map[string]any

// output writes one JSON object a line; callbacks of the stack come from many goroutines.
type output struct {
	mutex   sync.Mutex
	encoder *json.Encoder
}

func newOutput(writer io.Writer) *output {
	return &output{encoder: json.NewEncoder(writer)}
}

// event writes a line that carries its name and the wall clock in nanoseconds.
func (o *output) event(name string, members fields) {
	o.eventAt(time.Now(), name, members)
}

func (o *output) eventAt(at time.Time, name string, members fields) {
	members["event"] = name
	members["at_ns"] = at.UnixNano()
	o.mutex.Lock()
	defer o.mutex.Unlock()
	if err := o.encoder.Encode(members); err != nil {
		fmt.Fprintln(os.Stderr, "cannot write event:", err)
	}
}

// stackLog turns the log of the stack into lines on standard error. The start of a dial is known from there only,
// so that one line becomes an event as well.
type stackLog struct {
	out   *output
	debug bool
}

const dialLine = "initiating connection to "

func (l *stackLog) write(level, text string) {
	fmt.Fprintln(os.Stderr, time.Now().Format("15:04:05.000000"), level, strings.TrimSpace(text))
}

func (l *stackLog) Debugf(format string, args ...any) {
	if strings.HasPrefix(format, dialLine) && len(args) > 0 {
		l.out.event("dialling", fields{"ski": args[0]})
	}
	if l.debug {
		l.write("DEBUG", fmt.Sprintf(format, args...))
	}
}

func (l *stackLog) Debug(args ...any) {
	if l.debug {
		l.write("DEBUG", fmt.Sprintln(args...))
	}
}

func (l *stackLog) Trace(args ...any) {
	if l.debug {
		l.write("TRACE", fmt.Sprintln(args...))
	}
}

func (l *stackLog) Tracef(format string, args ...any) {
	if l.debug {
		l.write("TRACE", fmt.Sprintf(format, args...))
	}
}

func (l *stackLog) Info(args ...any)                  { l.write("INFO", fmt.Sprintln(args...)) }
func (l *stackLog) Infof(format string, args ...any)  { l.write("INFO", fmt.Sprintf(format, args...)) }
func (l *stackLog) Error(args ...any)                 { l.write("ERROR", fmt.Sprintln(args...)) }
func (l *stackLog) Errorf(format string, args ...any) { l.write("ERROR", fmt.Sprintf(format, args...)) }
