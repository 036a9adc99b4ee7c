package iso81

import (
	"bytes"
	"context"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/mms"
)

// writes collects what goes out in one write.
type writes struct {
	net.Conn
	all []string
}

func (w *writes) Write(b []byte) (int, error) {
	w.all = append(w.all, string(b))
	return len(b), nil
}

func (w *writes) SetWriteDeadline(time.Time) error { return nil }

// What the peer is told while it has more to be dealt with goes out together: when all is dealt with, when it is much, or before long.
func TestWhatIsHeldGoesOutTogether(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(*writer, func(string))
		want []string
	}{
		{"nothing is held", func(_ *writer, send func(string)) { send("a"); send("b") }, []string{"a", "b"}},
		{"until the reader waits", func(w *writer, send func(string)) {
			w.hold()
			send("a")
			send("b")
			w.release()
			synctest.Wait()
			send("c")
		}, []string{"ab", "c"}},
		{"until it is much", func(w *writer, send func(string)) {
			w.hold()
			for range mostHeld + 1 {
				send("x")
			}
			w.release()
		}, []string{string(bytes.Repeat([]byte("x"), mostHeld)), "x"}},
		{"not longer than the reader is kept", func(w *writer, send func(string)) {
			w.hold()
			send("a")
			time.Sleep(heldTime + 1)
			send("b")
			time.Sleep(heldTime + 1)
		}, []string{"a", "b"}},
		{"the last word", func(w *writer, send func(string)) {
			w.hold()
			send("a")
			w.finish([]byte("end"), net.ErrClosed)
		}, []string{"aend"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				conn := &writes{}
				w := &writer{conn: conn, timeout: time.Second, failed: func(err error) { t.Error(err) }}
				tc.do(w, func(text string) {
					must(t, w.room(context.Background()))
					w.buf = append(w.buf, text...)
					w.flush(false)
				})
				synctest.Wait()
				if !slices.Equal(conn.all, tc.want) {
					t.Errorf("written: %q, want %q", conn.all, tc.want)
				}
			})
		})
	}
}

// Requests that come together are all answered, also where the last of them has not all come.
func TestRequestsThatComeTogether(t *testing.T) {
	s := serve(t, ServerConfig{})
	r := s.dial()
	r.associate()
	wanted := func(ids ...uint32) {
		t.Helper()
		for _, id := range ids {
			if got, ok := r.pdu().(*mms.ConfirmedResponse); !ok || got.InvokeID != id {
				t.Fatalf("got %+v, want the answer to %d", got, id)
			}
		}
	}
	var all []byte
	for id := range uint32(4) {
		pdu, err := mms.AppendBER(nil, readX(id))
		must(t, err)
		all = append(all, r.a.frame(nil, append([]byte(sessionData), encode(userDataType, inContext(r.m.mms, pdu))...))...)
	}
	r.write(all)
	wanted(0, 1, 2, 3)
	for _, late := range []int{1, 5, 20} { // octets of the last
		r.write(all[:len(all)-late])
		wanted(0, 1, 2)
		r.write(all[len(all)-late:])
		wanted(3)
	}
}
