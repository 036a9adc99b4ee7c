package sunspec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// The function codes that are used.
//
// MODBUS Application Protocol 1.1b3, 6.3 and 6.12.
const (
	readHolding   = 0x03
	writeMultiple = 0x10
	exceptionFlag = 0x80
)

// The bounds of one request, in registers.
const (
	maxRead  = 125
	maxWrite = 123
)

// headerSize is that of the MBAP header: transaction, protocol, length, unit. The length counts the unit and what follows,
// of which there are two octets at least and 253 at most.
//
// MODBUS Messaging on TCP/IP 1.0b, 3.1.3.
const (
	headerSize = 7
	maxPDU     = 253
)

// An ExceptionError is the device's refusal of a request.
//
// MODBUS Application Protocol 1.1b3, 7.
type ExceptionError struct {
	Function byte // of the request
	Code     byte
}

// The codes of exceptions that are told apart.
const (
	illegalFunction = 1
	illegalAddress  = 2
	illegalValue    = 3
)

var exceptionNames = map[byte]string{
	1: "illegal function", 2: "illegal data address", 3: "illegal data value", 4: "server device failure", 5: "acknowledge",
	6: "server device busy", 8: "memory parity error", 10: "gateway path unavailable", 11: "gateway target device failed to respond",
}

func (e *ExceptionError) Error() string {
	what := "writing"
	if e.Function == readHolding {
		what = "reading"
	}
	name, known := exceptionNames[e.Code]
	if !known {
		name = "unknown"
	}
	return fmt.Sprintf("the device refuses %s: exception %d, %s", what, e.Code, name)
}

// Is goes by code, and by function where target has one.
func (e *ExceptionError) Is(target error) bool {
	t, ok := target.(*ExceptionError)
	return ok && e.Code == t.Code && (t.Function == 0 || e.Function == t.Function)
}

// A FrameError says what is wrong with what a device has sent. The connection is of no use any more.
type FrameError struct{ Text string }

func (e *FrameError) Error() string { return "the device does not speak Modbus TCP: " + e.Text }

func frameErrorf(format string, args ...any) error {
	return &FrameError{fmt.Sprintf(format, args...)}
}

// appendRead appends the request to read n registers from address on.
func appendRead(b []byte, transaction uint16, unit byte, address uint16, n int) []byte {
	b = appendHeader(b, transaction, unit, 5)
	b = append(b, readHolding)
	b = binary.BigEndian.AppendUint16(b, address)
	return binary.BigEndian.AppendUint16(b, uint16(n))
}

// appendWrite appends the request to write regs from address on.
func appendWrite(b []byte, transaction uint16, unit byte, address uint16, regs []uint16) []byte {
	b = appendHeader(b, transaction, unit, 6+2*len(regs))
	b = append(b, writeMultiple)
	b = binary.BigEndian.AppendUint16(b, address)
	b = binary.BigEndian.AppendUint16(b, uint16(len(regs)))
	b = append(b, byte(2*len(regs)))
	for _, r := range regs {
		b = binary.BigEndian.AppendUint16(b, r)
	}
	return b
}

func appendHeader(b []byte, transaction uint16, unit byte, pdu int) []byte {
	b = binary.BigEndian.AppendUint16(b, transaction)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(1+pdu))
	return append(b, unit)
}

// frame is one ADU as it is read. It has room for the largest.
type frame struct {
	transaction uint16
	unit        byte
	size        int
	octets      [maxPDU]byte
}

func (f *frame) pdu() []byte { return f.octets[:f.size] }

// read takes in one frame. It reads no octet beyond it.
func (f *frame) read(r io.Reader) error {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return frameErrorf("it ends within a header")
		}
		return err
	}
	if protocol := binary.BigEndian.Uint16(header[2:]); protocol != 0 {
		return frameErrorf("protocol %d", protocol)
	}
	length := int(binary.BigEndian.Uint16(header[4:]))
	if length < 3 || length > 1+maxPDU {
		return frameErrorf("a frame of %d octets", length)
	}
	f.transaction, f.unit, f.size = binary.BigEndian.Uint16(header[:]), header[6], length-1
	if _, err := io.ReadFull(r, f.pdu()); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return frameErrorf("it ends within a frame")
		}
		return err
	}
	return nil
}

// answers checks that f answers the request of that transaction, unit and function; an exception is an *ExceptionError.
func (f *frame) answers(transaction uint16, unit, function byte) error {
	p := f.pdu()
	switch {
	case f.transaction != transaction:
		return frameErrorf("an answer to transaction %d where %d was asked", f.transaction, transaction)
	case f.unit != unit:
		return frameErrorf("an answer of unit %d where %d was asked", f.unit, unit)
	case p[0] == function|exceptionFlag:
		if len(p) != 2 {
			return frameErrorf("an exception of %d octets", len(p))
		}
		return &ExceptionError{Function: function, Code: p[1]}
	case p[0] != function:
		return frameErrorf("an answer to function %d where %d was asked", p[0], function)
	}
	return nil
}

// registers puts the registers of an answer to a read into regs, which has as many as were asked.
func (f *frame) registers(regs []uint16) error {
	p := f.pdu()
	if int(p[1]) != 2*len(regs) || len(p) != 2+2*len(regs) {
		return frameErrorf("%d octets of registers in %d where %d registers were asked", p[1], len(p), len(regs))
	}
	for i := range regs {
		regs[i] = binary.BigEndian.Uint16(p[2+2*i:])
	}
	return nil
}

// written checks that an answer to a write says that n registers from address on were written.
func (f *frame) written(address uint16, n int) error {
	p := f.pdu()
	if len(p) != 5 || binary.BigEndian.Uint16(p[1:]) != address || int(binary.BigEndian.Uint16(p[3:])) != n {
		return frameErrorf("the answer to a write is not about the registers that were written")
	}
	return nil
}
