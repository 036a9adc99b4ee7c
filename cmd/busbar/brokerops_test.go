package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"busbar.example/app/site"
	"busbar.example/secure/pki"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// login opens a session of a party that was issued in the folder. handler may be nil.
func (f folder) login(address, name string, handler func(stanza.Stanza)) *xmpp.Session {
	f.t.Helper()
	j := jid.MustParse(name + "@" + domain)
	own := f.path("pki", j.String())
	id, err := pki.LoadIdentity(own+"/tls.crt", own+"/tls.key")
	if err != nil {
		f.t.Fatal(err)
	}
	trust, err := pki.LoadTrust([]string{f.path("pki", "e2m", "root.crt")}, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	s, err := xmpp.Dial(f.t.Context(), xmpp.Config{JID: j, Address: address, Identity: id, Trust: trust, Handler: handler})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { s.Close() })
	return s
}

// append adds to busbar.yaml, which the broker reads again.
func (f folder) append(text string) {
	f.t.Helper()
	file, err := os.OpenFile(f.path("busbar.yaml"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		f.t.Fatal(err)
	}
	_, err = file.WriteString(text)
	if err := errors.Join(err, file.Close()); err != nil {
		f.t.Fatal(err)
	}
}

// status is what the broker says of itself.
func (f folder) status() *site.BrokerStatus {
	f.t.Helper()
	st := new(site.BrokerStatus)
	if text := f.must("broker", "status", "--json"); json.Unmarshal([]byte(text), st) != nil {
		f.t.Fatalf("the status is not JSON: %s", text)
	}
	return st
}

// until asks for the broker's status until it is as wanted.
func (f folder) until(what string, ok func(*site.BrokerStatus) bool) *site.BrokerStatus {
	f.t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if st := f.status(); ok(st) {
			return st
		}
	}
	f.t.Fatalf("not within a minute: %s", what)
	return nil
}

// chatter has a client ask another all the time, until stop is called, which returns how many answers came and how many did not.
func chatter(t *testing.T, from, to *xmpp.Session) (stop func() (answered, failed int64)) {
	var done atomic.Bool
	var good, bad atomic.Int64
	var running sync.WaitGroup
	running.Go(func() {
		for !done.Load() {
			answer := make(chan stanza.Stanza, 1)
			_, err := from.SendIQ(t.Context(), stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: to.JID(), Payload: []byte("<q xmlns='u:x'/>")},
				func(reply stanza.Stanza) { answer <- reply })
			if err != nil {
				bad.Add(1)
				return
			}
			select {
			case reply := <-answer:
				if strings.Contains(string(reply.Payload), "<service-unavailable ") { // in the words of the other end, which knows no q
					good.Add(1)
				} else {
					bad.Add(1)
				}
			case <-time.After(time.Minute):
				bad.Add(1)
				return
			}
		}
	})
	return func() (int64, int64) {
		done.Store(true)
		running.Wait()
		return good.Load(), bad.Load()
	}
}

// While clients talk the broker reads other settings, good and bad, many times: nothing is lost, and no stream ends but that of
// the account that may not be there any more.
func TestBrokerReloadsUnderLoad(t *testing.T) {
	f := newFolder(t)
	p, address := f.broker()
	pv1, ems, guest := f.login(address, "pv1", nil), f.login(address, "ems", nil), f.login(address, "guest", nil)
	stop := []func() (int64, int64){chatter(t, ems, pv1), chatter(t, pv1, ems)}
	start, err := os.ReadFile(f.path("busbar.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var applied, refused uint64
	for i := range 12 {
		text := fmt.Sprintf("broker: {limits: {connections: %d}, rules: [{deny: {from: guest, to: '*'}}]}\n", 100+i)
		if i%3 == 2 {
			text += "broker: again\n"
		}
		if err := os.WriteFile(f.path("busbar.yaml"), append(start, text...), 0o644); err != nil {
			t.Fatal(err)
		}
		p.cmd.Process.Signal(syscall.SIGHUP)
		st := f.until("the settings are read again", func(st *site.BrokerStatus) bool {
			return st.Reload.Applied+st.Reload.Refused > applied+refused && (i%3 == 2 || st.Limits.Connections == 100+i)
		})
		applied, refused = st.Reload.Applied, st.Reload.Refused
		if bad := i%3 == 2; bad != (st.Reload.Error != "") || len(st.Sessions) != 3 {
			t.Errorf("settings %d: %+v, %d sessions", i, st.Reload, len(st.Sessions))
		}
	}
	if err := guest.Err(); err != nil {
		t.Errorf("a stream has ended that might stay: %v", err)
	}
	if err := os.WriteFile(f.path("busbar.yaml"), append(start, "broker: {accounts: [pv1, ems]}\n"...), 0o644); err != nil {
		t.Fatal(err)
	}
	select { // without a signal
	case <-guest.Done():
	case <-time.After(time.Minute):
		t.Fatal("who may not log in any more is still there a minute later")
	}
	for _, stop := range stop {
		if good, bad := stop(); bad != 0 || good < 10 {
			t.Errorf("%d answers came and %d did not", good, bad)
		}
	}
	if refused == 0 || len(f.events("broker", "x-busbar:broker-reload-refused")) != int(refused) || len(f.events("broker", "x-busbar:broker-reloaded")) < int(applied) {
		t.Errorf("of %d applied and %d refused the audit log has other numbers", applied, refused)
	}
	status, said := p.stop()
	if status != exitDone || !strings.Contains(said, "new settings are refused, the old ones stay") {
		t.Errorf("the broker ended with %d: %s", status, said)
	}
	if drained := f.events("broker", "x-busbar:broker-drained"); len(drained) != 1 || !strings.Contains(drained[0], "2 clients were told, and have gone") {
		t.Errorf("of its end the audit log says %q", drained)
	}
}

// With --check a broker says what is wrong and does not serve; with what is wrong it does not start either.
func TestBrokerCheck(t *testing.T) {
	f := newFolder(t)
	if out := f.must("broker", "--check"); !strings.Contains(out, "busbar.yaml: nothing is wrong; the broker of "+domain+" would listen on 127.0.0.1:5222\n") {
		t.Errorf("of a good site it says %q", out)
	}
	key := f.path("pki", "broker", "tls.key")
	text, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what        string
		do, undo    func()
		error, hint string
	}{
		{"a key that does not fit", func() { os.WriteFile(key, []byte("x"), 0o600) }, func() { os.WriteFile(key, text, 0o600) }, "tls.key", "`busbar init` makes"},
		{"a field that is wrong", func() { f.append("broker: {max_age: 1ms}\n") }, nil, "busbar.yaml: line ", "write for example 90s"},
	} {
		c.do()
		for _, args := range [][]string{{"broker", "--check"}, {"broker", "--listen", "127.0.0.1:0"}} {
			if r := f.run(args...); r.status != exitFailed || !strings.Contains(r.stderr, c.error) || !strings.Contains(r.stderr, "  hint: "+c.hint) {
				t.Errorf("busbar %v with %s: status %d, %s", args, c.what, r.status, r.stderr)
			}
		}
		if c.undo != nil {
			c.undo()
		}
	}
}

// A client that does not read what it is told does not keep the broker from ending.
func TestBrokerDrainIsBounded(t *testing.T) {
	f := newFolder(t)
	f.append("broker: {drain: 1s}\n")
	p, address := f.broker()
	block := make(chan struct{})
	defer close(block)
	ems := f.login(address, "ems", nil)
	pv1 := f.login(address, "pv1", func(stanza.Stanza) { <-block })
	body := []byte("<body>" + strings.Repeat("x", 100_000) + "</body>")
	for range 200 {
		if ems.Send(t.Context(), stanza.Stanza{Kind: stanza.Message, To: pv1.JID(), Payload: body}) != nil {
			break
		}
	}
	f.until("a queue is filled", func(st *site.BrokerStatus) bool { return st.Totals.FullestQueue > 100_000 })
	began := time.Now()
	status, said := p.stop()
	if d := time.Since(began); status != exitDone || d > 20*time.Second {
		t.Errorf("the broker ended with %d after %v: %s", status, d, said)
	}
	if drained := f.events("broker", "x-busbar:broker-drained", "not all of them took what was queued within 1s"); len(drained) != 1 {
		t.Errorf("of its end the audit log says %q", f.events("broker", "x-busbar:broker-drained"))
	}
}

// A broker whose connections are all taken, and whose clients send what they can, still tells its status, and those that are
// there are served.
func TestBrokerStatusUnderOverload(t *testing.T) {
	f := newFolder(t)
	f.append("broker: {limits: {connections: 20, unauthenticated_per_address: 4}, metrics: {listen: '127.0.0.1:0'}}\n")
	_, address := f.broker()
	pv1, ems := f.login(address, "pv1", nil), f.login(address, "ems", nil)
	stop := []func() (int64, int64){chatter(t, ems, pv1), chatter(t, pv1, ems), chatter(t, ems, pv1)}
	var flood sync.WaitGroup
	over := make(chan struct{})
	for range 8 {
		flood.Go(func() {
			for {
				select {
				case <-over:
					return
				default:
				}
				if c, err := net.Dial("tcp", address); err == nil {
					io.WriteString(c, "<?xml version='1.0'?><stream:stream ")
					c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
					io.Copy(io.Discard, c)
					c.Close()
				}
			}
		})
	}
	st := f.until("connections are turned away", func(st *site.BrokerStatus) bool { return st.Totals.TurnedAway > 50 })
	if len(st.Sessions) != 2 || st.Totals.Connections > 20 || st.Totals.Negotiating > 4 {
		t.Errorf("under overload %+v, %d sessions", st.Totals, len(st.Sessions))
	}
	if text := f.must("broker", "status"); !regexp.MustCompile(`(?m)^connections +\d+ of 20, \d+ of them logging in; \d+ turned away$`).MatchString(text) {
		t.Errorf("the status says\n%s", text)
	}
	close(over)
	flood.Wait()
	for _, stop := range stop {
		if good, bad := stop(); bad != 0 || good == 0 {
			t.Errorf("%d answers came and %d did not", good, bad)
		}
	}
}

// A full disk loses events, not clients: it is said on standard error, in the status and in the metrics, and the gap in the log
// shows how many.
func TestBrokerWithAFullDisk(t *testing.T) {
	f := newFolder(t)
	const script = `mount -t tmpfs -o size=16k tmpfs audit && head -c 1M /dev/zero > audit/fill; exec "$@"`
	c := f.command("broker", "--listen", "127.0.0.1:0")
	unshare, err := exec.LookPath("unshare")
	if err != nil || exec.CommandContext(t.Context(), unshare, "-rm", "mount", "-t", "tmpfs", "tmpfs", f.path("audit")).Run() != nil {
		t.Skip("file systems cannot be mounted here")
	}
	c.Args = append([]string{unshare, "-rm", "sh", "-c", script, "sh"}, append([]string{c.Path}, c.Args[1:]...)...)
	c.Path = unshare
	p := f.started(c, "broker of "+domain)
	words := strings.Fields(p.said)
	address := words[len(words)-1]
	f.login(address, "ems", nil)
	st := f.status()
	if st.AuditLost == 0 || len(st.Sessions) != 1 {
		t.Errorf("%d events are lost, %d sessions; want some, and one", st.AuditLost, len(st.Sessions))
	}
	if text := f.must("broker", "status"); !strings.Contains(text, "LOST: is the disk full?") {
		t.Errorf("the status says\n%s", text)
	}
	inside := fmt.Sprintf("/proc/%d/root%s", c.Process.Pid, f.path("audit"))
	if err := os.Remove(inside + "/fill"); err != nil {
		t.Fatal(err)
	}
	f.login(address, "guest", nil)
	log, err := os.ReadFile(inside + "/broker.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var first struct{ Seq uint64 }
	if err := json.NewDecoder(strings.NewReader(string(log))).Decode(&first); err != nil || first.Seq != st.AuditLost+1 {
		t.Errorf("the log begins with number %d, %v, after %d that are lost", first.Seq, err, st.AuditLost)
	}
	status, said := p.stop()
	if status != exitDone || !strings.Contains(said, "an audit event is lost") || !strings.Contains(said, "no space left on device") {
		t.Errorf("the broker ended with %d: %s", status, said)
	}
}
