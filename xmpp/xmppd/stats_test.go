package xmppd_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/xmpp"
	"busbar.example/xmpp/stanza"
	"busbar.example/xmpp/xmppd"
)

// TestStatsCount does one thing of each kind and looks at the numbers.
func TestStatsCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(c *xmppd.Config) {
			c.Rules = ruleList(t, "deny hmi@dso.example ems@dso.example")
			c.Limits.UnauthenticatedPerAddress = 1
		})
		defer s.close()
		hmi := s.connect("hmi@dso.example", "1")
		pv1 := s.connectFrom("192.0.2.3:40000", "pv1@dso.example", "1")
		s.connectFrom("192.0.2.4:40000", "ems@dso.example", "1")
		synctest.Wait()
		if heard, err := s.reach(nil, inClear, "</stream:stream>"); heard != "" && err != nil {
			t.Fatalf("the end of a stream was answered %q, %v", heard, err)
		}
		before := s.server.Stats()
		hmi.send("<iq type='get' id='1' to='pv1@dso.example/1'><q xmlns='u:x'/></iq>" +
			"<message to='pv1@dso.example/1'/><message to='nobody@dso.example/1'/><message to='ems@dso.example/1'/><message to='a@b'/>" +
			"<presence to='pv1@dso.example/1'/>")
		synctest.Wait()
		pv1.send("<iq type='result' id='1' to='hmi@dso.example/1'/>")
		pending, err := s.net.dial("192.0.2.66:1")
		if err != nil {
			t.Fatal(err)
		}
		defer pending.Close()
		turned, err := s.net.dial("192.0.2.66:2")
		if err != nil {
			t.Fatal(err)
		}
		defer turned.Close()
		synctest.Wait()

		got := s.server.Stats()
		if got.Received.Octets <= before.Received.Octets || got.Delivered.Octets <= before.Delivered.Octets {
			t.Errorf("octets were %v and %v, are %v and %v", before.Received.Octets, before.Delivered.Octets, got.Received.Octets, got.Delivered.Octets)
		}
		got.Received.Octets, got.Delivered.Octets = 0, 0
		want := xmppd.Stats{
			Began: before.Began, Accounts: 3, Sessions: 3, Connections: 4, Negotiating: 1, QueueCapacity: 1 << 20,
			Connected: 5, TurnedAway: 1, Bound: 3, NotBound: map[xmpp.NegotiationStep]uint64{xmpp.StepStream: 1},
			Received:  xmppd.StanzaCounts{IQ: 2, Message: 4, Presence: 1},
			Delivered: xmppd.StanzaCounts{IQ: 2, Message: 1 + 3, Presence: 1},
			Refused:   map[stanza.Condition]uint64{stanza.ServiceUnavailable: 1, stanza.Forbidden: 1, stanza.RemoteServerNotFound: 1},
			Denied:    1,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("statistics (-want +got)\n%s", diff)
		}
		sessions := s.server.Sessions()
		if len(sessions) != 3 || sessions[0].JID.String() != "ems@dso.example/1" || sessions[0].Address != "192.0.2.4:40000" || sessions[0].Since.After(time.Now()) {
			t.Errorf("sessions %+v", sessions)
		}
	})
}

// TestStatsOfASlowReader counts what waits, what is thrown away, and who is cut off.
func TestStatsOfASlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, func(c *xmppd.Config) { c.QueueSize = 16 << 10 })
		defer s.close()
		hmi := s.connect("hmi@dso.example", "1")
		pv1 := s.silent("pv1@dso.example", "IEC")
		defer pv1.raw.Close()
		hmi.send("<message to='pv1@dso.example/IEC'/>") // the write that gets stuck
		synctest.Wait()
		fill(t, hmi)
		hmi.send("<message type='error' to='pv1@dso.example/IEC'>" + body + "</message>")
		synctest.Wait()
		st := s.server.Stats()
		if st.FullestQueue < 7000 || st.FullestQueue > 8<<10 || st.QueuedOctets != st.FullestQueue || st.QueueCapacity != 16<<10 {
			t.Errorf("queues of %d, the fullest %d, of %d", st.QueuedOctets, st.FullestQueue, st.QueueCapacity)
		}
		if st.Dropped != 1 || st.SlowCut != 0 || st.Refused[stanza.ResourceConstraint] != 1 {
			t.Errorf("%d thrown away, %d cut off, %v refused, want 1, 0, 1", st.Dropped, st.SlowCut, st.Refused)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if after := s.server.Stats(); after.Dropped != 1 || after.Received.Message != st.Received.Message || after.Sessions != 0 || after.QueuedOctets != 0 {
			t.Errorf("with all sessions gone the statistics are %+v", after)
		}
	})
}
