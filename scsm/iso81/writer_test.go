package iso81

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"busbar.example/mms/assoc"
)

// broken is a connection whose writes can be made to fail after the peer has had all of it.
type broken struct {
	net.Conn
	now atomic.Bool
}

func (b *broken) Write(p []byte) (int, error) {
	n, err := b.Conn.Write(p)
	if b.now.Load() {
		return n, syscall.EPIPE
	}
	return n, err
}

// What failed to be written may have arrived: the outcome of a call is unknown then, and the association ends at once.
func TestCallWhoseWriteFails(t *testing.T) {
	s := serve(t, ServerConfig{})
	var conn *broken
	cfg := Config{Dialer: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		conn = &broken{Conn: c}
		return conn, err
	}}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	link, err := Dial(ctx, s.addr, cfg)
	must(t, err)
	a, err := assoc.Initiate(ctx, link, assoc.Config{})
	must(t, err)
	defer a.Abort()
	x := readX(1).Service
	if _, err := a.Call(ctx, x); err != nil {
		t.Fatal(err)
	}
	conn.now.Store(true)
	if _, err := a.Call(ctx, x); err != nil && !errors.Is(err, assoc.ErrNoAnswer) {
		t.Errorf("got %v, want that its outcome is unknown", err)
	}
	select {
	case <-a.Done():
	case <-ctx.Done():
		t.Fatal("the association goes on")
	}
	if err := a.Err(); err == nil || !strings.HasPrefix(err.Error(), "nothing can be sent to the peer") || !errors.Is(err, syscall.EPIPE) {
		t.Errorf("it ended with %v", err)
	}
	if _, err := a.Call(ctx, x); err == nil || errors.Is(err, assoc.ErrNoAnswer) || !strings.HasPrefix(err.Error(), "nothing can be sent to the peer") {
		t.Errorf("a call afterwards: got %v", err)
	}
	s.outcome()
}
