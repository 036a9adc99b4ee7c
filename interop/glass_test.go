//go:build interop

package interop_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"busbar.example/secure/pki"
)

// A glass stands between two ends of XMPP streams, with certificates that each takes for the other's, and keeps what passes,
// as it is outside of TLS and inside.
type glass struct {
	toServer, toClient *pki.Identity // what it shows to them

	mu    sync.Mutex
	said  []*bytes.Buffer // each by one end on one connection
	ends  []net.Conn
	moves sync.WaitGroup
}

// between returns a way to the far end that leads through the glass.
func (g *glass) between(dial func(context.Context) (net.Conn, error)) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		far, err := dial(ctx)
		if err != nil {
			return nil, err
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			far.Close()
			return nil, err
		}
		defer l.Close()
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			far.Close()
			return nil, err
		}
		near, err := l.Accept()
		if err != nil {
			return nil, errors.Join(err, far.Close(), client.Close())
		}
		g.mu.Lock()
		g.ends = append(g.ends, near, far)
		g.mu.Unlock()
		g.moves.Go(func() { g.pass(near, far) })
		return client, nil
	}
}

// cut breaks the connections that there are.
func (g *glass) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, nc := range g.ends {
		nc.Close()
	}
	g.ends = nil
}

// documents are the streams that have passed, each a document; to call after the last has ended.
func (g *glass) documents() (documents []string) {
	g.cut()
	g.moves.Wait()
	for _, b := range g.said {
		documents = append(documents, cutStreams(b.String())...)
	}
	return documents
}

// pass carries octets both ways until an end closes.
func (g *glass) pass(near, far net.Conn) {
	defer near.Close()
	defer far.Close()
	client, server := new(bytes.Buffer), new(bytes.Buffer)
	g.mu.Lock()
	g.said = append(g.said, client, server)
	g.mu.Unlock()
	var plain sync.WaitGroup
	var ready, asked bool
	plain.Go(func() { asked = carry(far, near, client, "<starttls") })
	plain.Go(func() {
		if ready = carry(near, far, server, "<proceed"); !ready {
			near.Close() // whose other end does not ask any more
		}
	})
	plain.Wait()
	if !ready || !asked {
		return
	}
	inFar := tls.Client(far, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{g.toServer.TLSCertificate()}})
	inNear := tls.Server(near, &tls.Config{ClientAuth: tls.RequestClientCert, Certificates: []tls.Certificate{g.toClient.TLSCertificate()}})
	if inFar.Handshake() != nil || inNear.Handshake() != nil {
		return
	}
	var inside sync.WaitGroup
	inside.Go(func() { carry(inFar, inNear, client, ""); far.Close() })
	inside.Go(func() { carry(inNear, inFar, server, ""); near.Close() })
	inside.Wait()
}

// carry moves octets and keeps them, until one of them ends an element that begins with last, which it reports.
func carry(to io.Writer, from io.Reader, said *bytes.Buffer, last string) bool {
	b := make([]byte, 64<<10)
	for {
		n, err := from.Read(b)
		said.Write(b[:n])
		if _, werr := to.Write(b[:n]); err != nil || werr != nil {
			return false
		}
		if _, rest, ok := strings.Cut(said.String(), last); ok && last != "" && strings.Contains(rest, "/>") {
			return true
		}
	}
}

// cutStreams cuts what one end has said on a connection into streams, the last of which may not have ended.
func cutStreams(sent string) (documents []string) {
	const header = "<?xml version='1.0'?>"
	for _, stream := range strings.Split(sent, header) {
		if stream != "" {
			documents = append(documents, header+strings.TrimSuffix(stream, "</stream:stream>")+"</stream:stream>")
		}
	}
	return documents
}

// A glass shows what passes as it is.
func TestGlassKeepsWhatPasses(t *testing.T) {
	var far, near bytes.Buffer
	if !carry(&far, strings.NewReader("<a/><starttls xmlns='x'/>"), &near, "<starttls") || far.String() != near.String() || far.Len() == 0 {
		t.Errorf("passed %q, kept %q", &far, &near)
	}
	if got := cutStreams("<?xml version='1.0'?><stream:stream><?xml version='1.0'?><stream:stream></stream:stream>"); len(got) != 2 ||
		got[0] != "<?xml version='1.0'?><stream:stream></stream:stream>" || got[1] != got[0] {
		t.Errorf("got %q", got)
	}
}
