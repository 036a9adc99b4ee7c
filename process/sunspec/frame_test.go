package sunspec

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func octets(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// MODBUS Application Protocol 1.1b3, 6.3 and 6.12: the examples; MODBUS Messaging on TCP/IP 1.0b, 3.1.3: the header.
func TestRequestsOnTheWire(t *testing.T) {
	for _, tc := range []struct {
		name string
		got  []byte
		want string
	}{
		{"read", appendRead(nil, 0x1501, 0xFF, 0x006B, 3), "1501 0000 0006 FF 03 006B 0003"},
		{"write", appendWrite(nil, 7, 1, 1, []uint16{0x000A, 0x0102}), "0007 0000 000B 01 10 0001 0002 04 000A 0102"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(octets(t, tc.want), tc.got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// ask has a peer answer one request with the octets of answer, and hangs up where end.
func ask(t *testing.T, answer string, end bool, do func(ctx context.Context, c *conn) error) error {
	t.Helper()
	near, far := net.Pipe()
	defer near.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer far.Close()
		var f frame
		if f.read(far) != nil {
			return
		}
		far.Write(octets(t, answer))
		if !end {
			io.Copy(io.Discard, far)
		}
	}()
	err := do(t.Context(), &conn{net: near, unit: 1, timeout: time.Second})
	near.Close()
	<-done
	return err
}

// What a device sends is bounded, and has to answer what was asked.
func TestAnswersThatAreWrong(t *testing.T) {
	read := func(ctx context.Context, c *conn) error { return c.read(ctx, 100, make([]uint16, 2)) }
	write := func(ctx context.Context, c *conn) error { return c.write(ctx, 100, []uint16{1, 2}) }
	for _, tc := range []struct {
		name, answer string
		end          bool
		do           func(context.Context, *conn) error
		want         string // "": none
	}{
		{"read", "0001 0000 0007 01 03 04 0001 0002", false, read, ""},
		{"write", "0001 0000 0006 01 10 0064 0002", false, write, ""},
		{"another transaction", "0002 0000 0007 01 03 04 0001 0002", false, read, "an answer to transaction 2 where 1 was asked"},
		{"another unit", "0001 0000 0007 02 03 04 0001 0002", false, read, "an answer of unit 2 where 1 was asked"},
		{"another function", "0001 0000 0007 01 04 04 0001 0002", false, read, "an answer to function 4 where 3 was asked"},
		{"another protocol", "0001 0001 0007 01 03 04 0001 0002", false, read, "protocol 1"},
		{"too few registers", "0001 0000 0005 01 03 02 0001", false, read, "2 octets of registers"},
		{"too many registers", "0001 0000 0009 01 03 06 0001 0002 0003", false, read, "6 octets of registers"},
		{"a count that is not so", "0001 0000 0007 01 03 06 0001 0002", false, read, "6 octets of registers"},
		{"nothing but a function", "0001 0000 0002 01 03", false, read, "a frame of 2 octets"},
		{"a frame of nothing", "0001 0000 0000 01", false, read, "a frame of 0 octets"},
		{"a frame without end", "0001 0000 FFFF 01 03", false, read, "a frame of 65535 octets"},
		{"one octet too many", "0001 0000 00FF 01 03", false, read, "a frame of 255 octets"},
		{"cut in the header", "0001 00", true, read, "it ends within a header"},
		{"cut in the frame", "0001 0000 0007 01 03 04 0001", true, read, "it ends within a frame"},
		{"no answer", "", false, read, "the device does not answer"},
		{"hung up", "", true, read, "closes the connection instead of an answer"},
		{"another address written", "0001 0000 0006 01 10 0065 0002", false, write, "not about the registers that were written"},
		{"fewer written", "0001 0000 0006 01 10 0064 0001", false, write, "not about the registers that were written"},
		{"a long exception", "0001 0000 0004 01 83 02 00", false, read, "an exception of 3 octets"},
		{"an exception to another function", "0001 0000 0003 01 90 02", false, read, "an answer to function 144"},
		{"refused", "0001 0000 0003 01 83 02", false, read, "the device refuses reading: exception 2, illegal data address"},
		{"refused to write", "0001 0000 0003 01 90 03", false, write, "the device refuses writing: exception 3, illegal data value"},
		{"refused for what nobody knows", "0001 0000 0003 01 83 63", false, read, "exception 99, unknown"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err := ask(t, tc.answer, tc.end, tc.do)
				if tc.want == "" && err != nil || tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
					t.Fatalf("got %v, want %q", err, tc.want)
				}
				_, refused := errors.AsType[*ExceptionError](err)
				if want := tc.want == "" || refused; usable(err) != want {
					t.Errorf("%v: the connection can be used: got %t, want %t", err, !want, want)
				}
			})
		})
	}
}

func TestExceptionsAreToldApartByCode(t *testing.T) {
	err := error(&ExceptionError{Function: readHolding, Code: illegalAddress})
	for _, tc := range []struct {
		target error
		want   bool
	}{
		{&ExceptionError{Code: illegalAddress}, true},
		{&ExceptionError{Function: readHolding, Code: illegalAddress}, true},
		{&ExceptionError{Function: writeMultiple, Code: illegalAddress}, false},
		{&ExceptionError{Code: illegalValue}, false},
		{io.EOF, false},
	} {
		if got := errors.Is(err, tc.target); got != tc.want {
			t.Errorf("%v is %v: got %t, want %t", err, tc.target, got, tc.want)
		}
	}
}

func TestRequestsAreBounded(t *testing.T) {
	c := &conn{}
	for _, n := range []int{0, maxRead + 1} {
		if err := c.read(t.Context(), 0, make([]uint16, n)); err == nil {
			t.Errorf("a read of %d registers was sent", n)
		}
	}
	for _, n := range []int{0, maxWrite + 1} {
		if err := c.write(t.Context(), 0, make([]uint16, n)); err == nil {
			t.Errorf("a write of %d registers was sent", n)
		}
	}
}

// FuzzFrame: whatever a device sends is taken as an answer only where it is one, and no more of it is read than its length says.
func FuzzFrame(f *testing.F) {
	f.Add([]byte{0, 1, 0, 0, 0, 7, 1, 3, 4, 0, 1, 0, 2}, uint8(2))
	f.Add([]byte{0, 1, 0, 0, 0, 6, 1, 16, 0, 100, 0, 2}, uint8(2))
	f.Add([]byte{0, 1, 0, 0, 0, 3, 1, 0x83, 2}, uint8(1))
	f.Add([]byte{0, 1, 0, 0, 0xFF, 0xFF, 1, 3}, uint8(125))
	f.Fuzz(func(t *testing.T, sent []byte, n uint8) {
		r := bytes.NewReader(sent)
		var got frame
		if got.read(r) != nil {
			return
		}
		if taken := len(sent) - r.Len(); taken != headerSize+got.size || got.size < 2 || got.size > maxPDU {
			t.Fatalf("%d octets taken for a PDU of %d", taken, got.size)
		}
		regs := make([]uint16, int(n)%maxRead+1)
		if got.answers(1, 1, readHolding) == nil && got.registers(regs) == nil {
			// What was taken is what a device makes of these registers.
			want := request{transaction: 1, unit: 1, function: readHolding, n: len(regs)}
			body := []byte{byte(2 * len(regs))}
			for _, reg := range regs {
				body = append(body, byte(reg>>8), byte(reg))
			}
			if again := want.reply(body).octets; !bytes.Equal(again, sent[:len(again)]) {
				t.Fatalf("% x was taken as % x", sent, again)
			}
		}
		if got.answers(1, 1, writeMultiple) == nil {
			_ = got.written(100, 2)
		}
	})
}
