package xmpp82_test

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
)

// tee is a proxy that keeps every octet that passes, in both directions.
type tee struct {
	listener net.Listener
	mu       sync.Mutex
	kept     []byte
}

func newTee(t *testing.T, to string) *tee {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tee{listener: l}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				in.Close()
				return
			}
			for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
				running.Go(func() {
					io.Copy(io.MultiWriter(way[1], p), way[0])
					way[0].Close()
					way[1].Close()
				})
			}
		}
	})
	t.Cleanup(func() {
		l.Close()
		running.Wait()
	})
	return p
}

func (p *tee) address() string { return p.listener.Addr().String() }

func (p *tee) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.kept = append(p.kept, b...)
	return len(b), nil
}

func (p *tee) octets() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	return bytes.Clone(p.kept)
}
