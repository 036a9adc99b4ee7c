package pipe

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"

	"busbar.example/acsi"
)

// conn is one life of a program.
type conn struct {
	p      *Process
	in     io.WriteCloser
	cancel context.CancelFunc // ends the program
	queue  chan []byte
	done   chan struct{} // closed when the program is given up, or has ended
	values values        // of the reader alone

	mu      sync.Mutex
	over    bool
	fault   error // why the program was given up
	last    uint64
	pending map[uint64]chan acsi.AddCause
}

func newConn(p *Process, in io.WriteCloser, cancel context.CancelFunc) *conn {
	return &conn{p: p, in: in, cancel: cancel, queue: make(chan []byte, maxQueue), done: make(chan struct{}),
		values: newValues(p.engine), pending: map[uint64]chan acsi.AddCause{}}
}

// send queues a line for the program. One that does not read what it is sent is given up: it would go by what is no longer so.
func (c *conn) send(line any) {
	text, err := json.Marshal(line)
	if err != nil {
		c.end(fmt.Errorf("process/pipe: %w", err))
		return
	}
	select {
	case c.queue <- append(text, '\n'):
	case <-c.done:
	default:
		c.end(errors.New("the program does not read its standard input"))
	}
}

// end gives the program up. The first error is why.
func (c *conn) end(why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	c.over, c.fault = true, why
	close(c.done)
	c.cancel()
}

func (c *conn) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.fault
}

// write gives the program the lines of the queue.
func (c *conn) write() {
	for {
		select {
		case <-c.done:
			return
		case line := <-c.queue:
			if _, err := c.in.Write(line); err != nil {
				c.end(fmt.Errorf("the program's standard input: %w", err))
				return
			}
		}
	}
}

var errLongLine = fmt.Errorf("a line has %d octets at most: this one is left out", maxLine)

// read takes what the program says until its output ends. A line that is wrong changes nothing, and the program is told why.
func (c *conn) read(out io.Reader) error {
	const mostLogged = 10
	r := bufio.NewReaderSize(out, maxLine)
	for n, logged := 1, 0; ; n++ {
		line, err := r.ReadSlice('\n')
		wrong := error(nil)
		if errors.Is(err, bufio.ErrBufferFull) {
			wrong = errLongLine
			for errors.Is(err, bufio.ErrBufferFull) {
				_, err = r.ReadSlice('\n')
			}
		} else if len(bytes.TrimSpace(line)) > 0 {
			wrong = c.take(line)
		}
		if wrong != nil {
			c.send(errorLine{Type: "error", Line: n, Text: wrong.Error()})
			if logged++; logged <= mostLogged {
				c.p.cfg.Logger.Warn("process says what is wrong", "program", c.p.cfg.Command[0], "line", n, "err", wrong)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("the program's standard output: %w", err)
		}
	}
}

// take does what the program says in a line.
func (c *conn) take(line []byte) error {
	s, err := parseLine(line)
	switch {
	case err != nil:
		return err
	case s.ID != nil:
		return c.answer(*s.ID, *s.AddCause)
	case s.Get != nil:
		found, err := c.values.get(*s.Get, s.FC)
		if err == nil {
			c.send(found)
		}
		return err
	case s.Ref != nil:
		return c.values.set([]entry{s.entry})
	}
	return c.values.set(s.Values)
}

// expect is a number under which the program is to answer, and where its answer comes; ok is false where too many are awaited.
func (c *conn) expect() (id uint64, answer chan acsi.AddCause, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) == maxCommands {
		return 0, nil, false
	}
	c.last++
	answer = make(chan acsi.AddCause, 1)
	c.pending[c.last] = answer
	return c.last, answer, true
}

// forget is the end of waiting for an answer.
func (c *conn) forget(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pending, id)
}

// answer is the program's. One that comes too late is nobody's fault, and does nothing.
func (c *conn) answer(id uint64, text string) error {
	cause, err := acsi.ParseAddCause(text)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if id == 0 || id > c.last {
		return fmt.Errorf("there was no command %d", id)
	}
	if answer := c.pending[id]; answer != nil {
		answer <- cause
		delete(c.pending, id)
	}
	return nil
}
