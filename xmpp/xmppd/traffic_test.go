package xmppd_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/xmpp/xmppd"

	"github.com/google/go-cmp/cmp"
)

// silent logs in and reads nothing any more.
func (s *site) silent(bare, resource string) *rawClient {
	s.t.Helper()
	return s.loginAs(s.clientIdentity(bare), "192.0.2.4:1", resource)
}

// body is a payload of about 1,000 octets.
var body = "<body>" + strings.Repeat("x", 1000) + "</body>"

// fill sends messages to a client that does not read until one is refused, and returns how many were not.
func fill(t *testing.T, sender *rawClient) int {
	t.Helper()
	for i := range 100 {
		if err := sender.send(fmt.Sprintf("<message id='%d' to='pv1@dso.example/IEC'>%s</message>", i, body)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := sender.take(); len(got) > 0 {
			if len(got) != 1 || !strings.Contains(got[0], "<resource-constraint ") || !strings.Contains(got[0], fmt.Sprintf("id='%d'", i)) {
				t.Fatalf("message %d was answered %q, want resource-constraint", i, got)
			}
			return i
		}
	}
	t.Fatal("100 messages went into the queue")
	return 0
}

// TestSlowReader lets others send to a client that has stopped to read.
func TestSlowReader(t *testing.T) {
	const queue = 16 << 10
	run := func(name string, test func(t *testing.T, s *site, pv1, hmi, ems *rawClient)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, func(c *xmppd.Config) { c.QueueSize = queue })
				defer s.close()
				hmi, ems := s.connect("hmi@dso.example", "1"), s.connect("ems@dso.example", "1")
				pv1 := s.silent("pv1@dso.example", "IEC")
				defer pv1.raw.Close()
				hmi.send("<message to='pv1@dso.example/IEC'/>") // the write that gets stuck
				synctest.Wait()
				test(t, s, pv1, hmi, ems)
			})
		})
	}
	locals := func(s *site) (names []string) {
		for _, ses := range s.server.Sessions() {
			names = append(names, ses.JID.Local())
		}
		return names
	}
	ended := func(t *testing.T, s *site) {
		t.Helper()
		time.Sleep(4 * time.Second) // for the last words that it does not read either
		synctest.Wait()
		if diff := cmp.Diff([]string{"ems", "hmi"}, locals(s)); diff != "" {
			t.Errorf("sessions (-want +got)\n%s", diff)
		}
		if diff := cmp.Diff([]audit.ID{audit.StreamSlow}, s.eventIDs()); diff != "" {
			t.Errorf("events (-want +got)\n%s", diff)
		}
	}

	run("an account has half of its queue", func(t *testing.T, s *site, pv1, hmi, ems *rawClient) {
		for _, sender := range []*rawClient{hmi, ems} {
			if n := fill(t, sender); n < 7 || n > 8 {
				t.Errorf("%d messages of %d octets went into half a queue of %d", n, len(body), queue)
			}
		}
		again := s.connect("hmi@dso.example", "2")
		if n := fill(t, again); n != 0 {
			t.Errorf("another resource of an account that has its half sent %d messages more", n)
		}
		if got := s.eventIDs(); len(got) != 0 {
			t.Errorf("events %v, want none", got)
		}
	})
	run("a request is refused", func(t *testing.T, s *site, pv1, hmi, ems *rawClient) {
		fill(t, hmi)
		hmi.send("<iq type='set' id='a' to='pv1@dso.example/IEC'>" + body + "</iq>")
		synctest.Wait()
		if got := hmi.take(); len(got) != 1 || !strings.Contains(got[0], "<resource-constraint ") || !strings.Contains(got[0], "type='wait'") {
			t.Errorf("a request was answered %q, want resource-constraint", got)
		}
		if got := s.eventIDs(); len(got) != 0 {
			t.Errorf("events %v, want none", got)
		}
	})
	run("what nobody asked for is thrown away", func(t *testing.T, s *site, pv1, hmi, ems *rawClient) {
		fill(t, hmi)
		for range 100 {
			hmi.send("<iq type='result' id='a' to='pv1@dso.example/IEC'>" + body + "</iq>")
			hmi.send("<message type='error' to='pv1@dso.example/IEC'>" + body + "</message>")
			hmi.send("<presence to='pv1@dso.example/IEC'><status>" + body + "</status></presence>")
		}
		synctest.Wait()
		if diff := cmp.Diff([]audit.ID{audit.StreamFlood}, s.eventIDs()); diff != "" {
			t.Errorf("events (-want +got)\n%s", diff)
		}
		if n := fill(t, ems); n < 7 {
			t.Errorf("another account's %d messages went into the queue, want its half", n)
		}
		if diff := cmp.Diff([]string{"ems", "hmi", "pv1"}, locals(s)); diff != "" {
			t.Errorf("sessions (-want +got)\n%s", diff)
		}
	})
	run("answers count for no share, and end the stream when they find no room", func(t *testing.T, s *site, pv1, hmi, ems *rawClient) {
		for i := range 20 {
			pv1.send(fmt.Sprintf("<iq type='get' id='%d' to='hmi@dso.example/1'><q xmlns='urn:x'/></iq>", i))
		}
		synctest.Wait()
		if n := len(hmi.take()); n != 20 {
			t.Fatalf("%d requests arrived, want 20", n)
		}
		fill(t, hmi)
		for i := range 7 {
			hmi.send(fmt.Sprintf("<iq type='result' id='%d' to='pv1@dso.example/IEC'>%s</iq>", i, body))
		}
		synctest.Wait()
		if got := s.eventIDs(); len(got) != 0 {
			t.Errorf("events after 7 answers %v, want none", got)
		}
		for i := range 3 {
			hmi.send(fmt.Sprintf("<iq type='result' id='%d' to='pv1@dso.example/IEC'>%s</iq>", 7+i, body))
		}
		ended(t, s)
	})
	run("presence of a third account that finds no room ends the stream", func(t *testing.T, s *site, pv1, hmi, ems *rawClient) {
		fill(t, hmi)
		fill(t, ems)
		s.connect("bat1@dso.example", "1").send("<presence to='pv1@dso.example/IEC'><status>" + body + body + "</status></presence>")
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if diff := cmp.Diff([]string{"bat1", "ems", "hmi"}, locals(s)); diff != "" {
			t.Errorf("sessions (-want +got)\n%s", diff)
		}
	})
	run("a write that makes no way ends the stream", func(t *testing.T, s *site, pv1, hmi, ems *rawClient) {
		hmi.send("<presence/>")
		time.Sleep(8 * time.Second)
		if got := locals(s); len(got) != 3 {
			t.Errorf("sessions after 8 s: %v, want all", got)
		}
		hmi.send(" ")
		ems.send(" ")
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if diff := cmp.Diff([]string{"ems", "hmi"}, locals(s)); diff != "" {
			t.Errorf("sessions after 14 s (-want +got)\n%s", diff)
		}
	})
}

// TestSessionEndIsToldWhateverTheShare ends a stream whose account has filled its share of a contact's queue.
func TestSessionEndIsToldWhateverTheShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(c *xmppd.Config) { c.QueueSize = 16 << 10 })
		defer s.close()
		hmi, pv1 := s.connect("hmi@dso.example", "1"), s.silent("pv1@dso.example", "IEC")
		defer pv1.raw.Close()
		pv1.send("<presence/>")
		hmi.send("<presence/>")
		synctest.Wait()
		hmi.take()
		fill(t, hmi)
		hmi.raw.Close()
		synctest.Wait()
		pv1.listen()
		synctest.Wait()
		got := pv1.take()
		if last := got[len(got)-1]; last != "<presence type='unavailable' from='hmi@dso.example/1' to='pv1@dso.example'/>" {
			t.Errorf("the last that arrived was %.200s, want that hmi is unavailable", last)
		}
	})
}

func TestSlowReaderOfItsOwnAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(c *xmppd.Config) { c.QueueSize = 4 << 10 })
		defer s.close()
		c := s.silent("hmi@dso.example", "1")
		defer c.raw.Close()
		sent := 0
		for range 1000 {
			if err := c.send("<iq type='get' id='a' to='dso.example'><ping xmlns='urn:xmpp:ping'/></iq>"); err != nil {
				break
			}
			sent++
		}
		if sent == 1000 {
			t.Error("a client that reads no answers may ask without end")
		}
		time.Sleep(4 * time.Second)
		if diff := cmp.Diff([]audit.ID{audit.StreamSlow}, s.eventIDs()); diff != "" {
			t.Errorf("events (-want +got)\n%s", diff)
		}
	})
}

// TestX5FastSender lets two streams of one account send more than it may: they are read as slowly as the limit says, and
// another account does not notice.
func TestX5FastSender(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate, messages = 64 << 10, 360
		message := "<message to='pv1@dso.example/IEC'>" + body + "</message>"
		s := newSite(t, func(c *xmppd.Config) { c.Limits.Rate = rate })
		defer s.close()
		pv1, bat1, ems := s.connect("pv1@dso.example", "IEC"), s.connect("bat1@dso.example", "IEC"), s.connect("ems@dso.example", "1")
		fast := []*rawClient{s.connect("hmi@dso.example", "1"), s.connect("hmi@dso.example", "2")}
		began := time.Now()
		var sending sync.WaitGroup
		for _, c := range fast {
			sending.Go(func() {
				for range messages / len(fast) {
					if err := c.send(message); err != nil {
						t.Error(err)
					}
				}
				c.send("<iq type='get' id='last' to='dso.example'><ping xmlns='urn:xmpp:ping'/></iq>")
			})
		}
		time.Sleep(time.Second)
		ems.send("<message to='bat1@dso.example/IEC'/>")
		synctest.Wait()
		if got := bat1.take(); len(got) != 1 {
			t.Errorf("while hmi is held up, what ems sends arrives as %q, want at once", got)
		}
		sending.Wait()
		synctest.Wait()
		want := time.Duration(messages*(len(message)+256)) * time.Second / rate
		if took := time.Since(began); took < want-2*time.Second || took > want+time.Second {
			t.Errorf("%d messages took %v, want about %v", messages, took, want)
		}
		if got := pv1.take(); len(got) != messages {
			t.Errorf("%d messages arrived, want %d", len(got), messages)
		}
		if got := s.eventIDs(); len(got) != 0 {
			t.Errorf("events %v, want none", got)
		}
	})
}

// TestX5FastSenderOfAnything lets a stream send what is no payload, and much of it: all octets count.
func TestX5FastSenderOfAnything(t *testing.T) {
	const rate, much = 64 << 10, 640 << 10
	for name, octets := range map[string]string{
		"start tags":         "<message to='hmi@dso.example' type='error' a='" + strings.Repeat("x", 15<<10) + "' b='" + strings.Repeat("x", 15<<10) + "'/>",
		"white space":        "<message to='hmi@dso.example' type='error'/>" + strings.Repeat(" ", 32<<10),
		"stanzas with no id": "<iq type='get' to='dso.example'>" + body + "</iq>",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, func(c *xmppd.Config) { c.Limits.Rate = rate })
				defer s.close()
				hmi := s.connect("hmi@dso.example", "1")
				began := time.Now()
				for range much / len(octets) {
					if err := hmi.send(octets); err != nil {
						t.Fatalf("%v: %q", err, hmi.take())
					}
				}
				if took := time.Since(began); took < 8*time.Second {
					t.Errorf("%d octets took %v, want about 10 s", much, took)
				}
			})
		})
	}
}

// TestX5SlowRate holds clients to a rate that is far below what one stanza may have. Who sends little is not held up; who
// is held up is not taken for silent, and its stream can be ended meanwhile.
func TestX5SlowRate(t *testing.T) {
	const rate = 4 << 10
	run := func(name string, test func(t *testing.T, s *site, hmi *rawClient)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSite(t, func(c *xmppd.Config) { c.Limits.Rate = rate })
				defer s.close()
				test(t, s, s.connect("hmi@dso.example", "1"))
			})
		})
	}
	const ping = "<iq type='get' id='p' to='dso.example'><ping xmlns='urn:xmpp:ping'/></iq>"
	large := "<message to='dso.example'>" + strings.Repeat(body, 200) + "</message>"
	run("little", func(t *testing.T, s *site, hmi *rawClient) {
		hmi.send(ping)
		hmi.send(" ")
		time.Sleep(300 * time.Millisecond)
		if got := hmi.take(); len(got) != 1 {
			t.Errorf("after one ping %q arrived within 300 ms, want its answer", got)
		}
	})
	run("much", func(t *testing.T, s *site, hmi *rawClient) {
		began := time.Now()
		hmi.send(large)
		if err := hmi.send(ping); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		if got := hmi.take(); !strings.Contains(strings.Join(got, ""), "<iq type='result' id='p'") {
			t.Errorf("%v after a large message %q arrived, want the answer to a ping", time.Since(began), got)
		}
	})
	run("shutdown", func(t *testing.T, s *site, hmi *rawClient) {
		go hmi.send(large)
		time.Sleep(time.Second)
		began := time.Now()
		if err := s.server.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("shutdown took %v, want it not to wait until a client may send again", took)
		}
	})
}
