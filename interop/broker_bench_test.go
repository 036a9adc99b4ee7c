//go:build interop

package interop_test

import (
	"bufio"
	"context"
	"crypto/x509"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"busbar.example/internal/foreign"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// measured is how long each load is measured, after it has run for settle.
const (
	measured = 6 * time.Second
	settle   = time.Second
)

// load is what is put on a broker: pairs of clients, one of which asks and the other answers with a stanza of the same
// size, with so many requests under way in each pair. Each of them is made when the one before is answered, or every so
// often if every is not 0.
type load struct {
	name          string
	pairs, window int
	every         time.Duration
}

// BenchmarkBrokerCPU takes the processor time, of user and system, that brokers in a process of their own spend on each
// stanza of 600 octets that they route, TLS on both hops, with the same clients in this process.
func BenchmarkBrokerCPU(b *testing.B) {
	for _, l := range []load{
		{"1-pair-64-open", 1, 64, 0},
		{"20-pairs-16-open", 20, 16, 0},
		{"20-pairs-2000-per-second", 20, 1, 20 * time.Millisecond},
	} {
		b.Run(l.name, func(b *testing.B) {
			var ours float64
			b.Run("busbar", func(b *testing.B) {
				a := newAuthority(b, openDir(b))
				address, pid := startBusbar(b, a)
				ours = l.measure(b, a, address, pid)
			})
			b.Run("ejabberd", func(b *testing.B) {
				a := newAuthority(b, openDir(b))
				s, err := foreign.StartEjabberd(foreign.Options{Domain: domain, Identity: a.server(), Roots: []*x509.Certificate{a.root}})
				s = started(b, s, err)
				theirs := l.measure(b, a, s.Clients, s.PID)
				if ours > 0 {
					b.ReportMetric(ours/theirs, "busbar/ejabberd")
				}
			})
		})
	}
}

// startBusbar starts this binary as a broker, and returns its address and process id.
func startBusbar(b *testing.B, a *authority) (address string, pid int) {
	b.Helper()
	a.save(a.server(), "broker")
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), asBroker+"="+a.dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line), cmd.Process.Pid
}

// measure puts the load on a broker, and returns and reports the processor time for each stanza, in microseconds.
func (l load) measure(b *testing.B, a *authority, address string, pid int) float64 {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	var stanzas atomic.Int64
	var mu sync.Mutex
	var times []time.Duration
	var work sync.WaitGroup
	for i := range l.pairs {
		p := newPair(b, ctx, a, address, i)
		for range l.window {
			work.Go(func() {
				next := time.Now().Add(l.every * time.Duration(i) / time.Duration(l.pairs))
				for ctx.Err() == nil {
					time.Sleep(time.Until(next))
					next = next.Add(l.every)
					began := time.Now()
					if !p.exchange(ctx) {
						return
					}
					took := time.Since(began)
					stanzas.Add(2)
					mu.Lock()
					times = append(times, took)
					mu.Unlock()
				}
			})
		}
	}
	time.Sleep(settle)
	mu.Lock()
	times = times[:0]
	mu.Unlock()
	began, routed, spent := time.Now(), stanzas.Load(), processorTime(b, pid)
	time.Sleep(measured)
	routed, spent = stanzas.Load()-routed, processorTime(b, pid)-spent
	took := time.Since(began)
	cancel()
	work.Wait()
	if b.Failed() || routed == 0 {
		b.Fatal("nothing was routed")
	}

	slices.Sort(times)
	perStanza := float64(spent.Microseconds()) / float64(routed)
	b.ReportMetric(0, "ns/op") // the time of the load says nothing
	b.ReportMetric(perStanza, "µs-CPU/stanza")
	b.ReportMetric(float64(routed)/took.Seconds(), "stanzas/s")
	b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
	return perStanza
}

// processorTime returns what a process has spent so far, in user and system mode.
func processorTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	text := read(b, fmt.Sprintf("/proc/%d/stat", pid))
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	var ticks int
	for _, f := range fields[11:13] { // utime and stime
		n, err := strconv.Atoi(f)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100 // USER_HZ
}

// asker is a client that asks, and the address of the one that answers it.
type asker struct {
	session *xmpp.Session
	to      jid.JID
	payload []byte
}

// newPair logs in the two clients of a pair.
func newPair(b *testing.B, ctx context.Context, a *authority, address string, n int) asker {
	b.Helper()
	ask, answer := jid.MustParse(fmt.Sprintf("hmi%d@%s/IEC", n, domain)), jid.MustParse(fmt.Sprintf("pv%d@%s/IEC", n, domain))
	payload := payloadFor(ask, answer)
	dial := func(full jid.JID, handler func(stanza.Stanza)) *xmpp.Session {
		s, err := xmpp.Dial(ctx, xmpp.Config{JID: full, Address: address, Trust: a.trust, Identity: a.client(full.Bare().String()), Handler: handler})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { s.Close() })
		return s
	}
	var answering atomic.Pointer[xmpp.Session]
	answering.Store(dial(answer, func(s stanza.Stanza) {
		if s.Kind == stanza.IQ {
			answering.Load().Send(ctx, s.Reply(payload)) // fails at the end only
		}
	}))
	return asker{dial(ask, nil), answer, payload}
}

// payloadFor returns a payload that makes a stanza between the two about 600 octets long.
func payloadFor(from, to jid.JID) []byte {
	const item = "<Data><structure><Data><floating-point>42C80000</floating-point></Data></structure></Data>"
	iq := stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, ID: "ABCDEFGHIJKLM-10000", From: from, To: to, Payload: []byte("<r xmlns='urn:r'></r>")}
	return []byte("<r xmlns='urn:r'>" + strings.Repeat(item, (600-len(iq.Append(nil))+len(item)/2)/len(item)) + "</r>")
}

// exchange asks and waits for the answer; it reports whether it came.
func (c asker) exchange(ctx context.Context) bool {
	answered := make(chan struct{})
	if _, err := c.session.SendIQ(ctx, stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: c.to, Payload: c.payload},
		func(stanza.Stanza) { close(answered) }); err != nil {
		return false
	}
	select {
	case <-answered:
		return true
	case <-ctx.Done():
	case <-c.session.Done():
	}
	return false
}

// openDir returns a folder that other users may pass through, which that of testing.TB.TempDir is not.
func openDir(b testing.TB) string {
	b.Helper()
	dir, err := os.MkdirTemp("", "busbar-interop-")
	if err == nil {
		b.Cleanup(func() { os.RemoveAll(dir) })
		err = os.Chmod(dir, 0o711)
	}
	if err != nil {
		b.Fatal(err)
	}
	return dir
}

func read(b testing.TB, file string) string {
	b.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}
