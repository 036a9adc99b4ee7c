package sunspec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// conn is a connection to one unit of a device: one request at a time. One goroutine uses it.
type conn struct {
	net         net.Conn
	unit        byte
	timeout     time.Duration // of each request
	transaction uint16
	answered    bool // the device has answered on this connection
	request     []byte
	frame       frame
}

// errClosedIdle says that the device has ended a connection between two requests, as many do after a while.
var errClosedIdle = errors.New("the device has closed the connection")

// read gives the registers from address on, as many as regs has.
func (c *conn) read(ctx context.Context, address uint16, regs []uint16) error {
	if len(regs) == 0 || len(regs) > maxRead {
		return fmt.Errorf("process/sunspec: %d registers in a read", len(regs))
	}
	c.transaction++
	c.request = appendRead(c.request[:0], c.transaction, c.unit, address, len(regs))
	if err := c.exchange(ctx, readHolding); err != nil {
		return err
	}
	return c.frame.registers(regs)
}

// write sets the registers from address on.
func (c *conn) write(ctx context.Context, address uint16, regs []uint16) error {
	if len(regs) == 0 || len(regs) > maxWrite {
		return fmt.Errorf("process/sunspec: %d registers in a write", len(regs))
	}
	c.transaction++
	c.request = appendWrite(c.request[:0], c.transaction, c.unit, address, regs)
	if err := c.exchange(ctx, writeMultiple); err != nil {
		return err
	}
	return c.frame.written(address, len(regs))
}

// exchange sends the request and takes the answer in.
func (c *conn) exchange(ctx context.Context, function byte) error {
	deadline := time.Now().Add(c.timeout)
	if until, ok := ctx.Deadline(); ok && until.Before(deadline) {
		deadline = until
	}
	if err := c.net.SetDeadline(deadline); err != nil {
		return c.lost(err)
	}
	defer context.AfterFunc(ctx, func() { c.net.SetDeadline(time.Unix(1, 0)) })()
	if _, err := c.net.Write(c.request); err != nil {
		return c.lost(err)
	}
	if err := c.frame.read(c.net); err != nil {
		return c.lost(err)
	}
	c.answered = true
	return c.frame.answers(c.transaction, c.unit, function)
}

// lost tells a connection that was ended while it was idle from other faults.
func (c *conn) lost(err error) error {
	closed := errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
	switch {
	case closed && c.answered:
		return errClosedIdle
	case errors.Is(err, io.EOF):
		return errors.New("the device closes the connection instead of an answer")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("the device does not answer: %w", err)
	}
	return err
}

// usable reports whether the connection can be used after err: a refusal is a proper answer.
func usable(err error) bool {
	_, refused := errors.AsType[*ExceptionError](err)
	return err == nil || refused
}
