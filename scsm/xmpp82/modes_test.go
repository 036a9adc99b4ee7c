package xmpp82_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"busbar.example/acsi"
	"busbar.example/internal/testbed"
	"busbar.example/mms"
	"busbar.example/mms/assoc"
	"busbar.example/scsm/mmsmap"
	"busbar.example/scsm/xmpp82"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
	"busbar.example/value"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// E8: ends that differ in their end-to-end security do not associate. Each hears at once which end is how, and
// records what the other tried; neither follows the other. IEC 61850-8-2; IEC 62351-4.
func TestE8EndsOfDifferentModes(t *testing.T) {
	for _, ours := range testbed.Modes82 {
		for _, theirs := range testbed.Modes82 {
			if ours == theirs {
				continue
			}
			t.Run(fmt.Sprintf("%v asks %v", ours, theirs), func(t *testing.T) {
				bed := testbed.Start(t, testbed.Options{Mode: theirs, Listener: testbed.NewListener()})
				bed.IED("pv1", pv(t))
				link, err := bed.Dial(bed.ConfigIn(ours, "ems", rbac.Engineer)).Associate(testbed.JID("pv1"))
				if err != nil {
					t.Fatal(err)
				}
				_, err = mmsmap.Associate(timeout(t), link, assoc.Config{})
				var differ *xmpp82.ModeError
				if !errors.As(err, &differ) || differ.Ours != ours.String() || differ.Theirs != theirs.String() || differ.Peer != testbed.JID("pv1") {
					t.Errorf("the association fails with %v", err)
				}
				want := audit.E2EDowngrade
				if theirs == testbed.Off {
					want = audit.E2ENamespace // nothing is at stake for an end that has none
				}
				if !recorded(bed, want, "ems@"+testbed.Domain) {
					t.Errorf("no event %s about ems in %v", want, bed.Audit.Events())
				}
			})
		}
	}
}

// E8: what is not protected has no place in an association that is, whatever answers or messages it comes in,
// and the other way round.
func TestE8PDUOfAnotherModeOnTheWay(t *testing.T) {
	bare := func(t *testing.T, pdu mms.PDU, id string) []byte { return envelope(id, encode(t, pdu)) }
	t.Run("a request", func(t *testing.T) {
		var broker capture
		bed := testbed.Start(t, testbed.Options{Tap: broker.tap})
		bed.IED("pv1", pv(t))
		e := bed.Dial(bed.Config("ems", rbac.Engineer))
		c := bed.AssociateOn(e, "pv1")
		read(t, c, power)
		id := associationContent.FindSubmatch(broker.find(t, "ems", "EncrTransfer"))[1]
		_, err := e.Session().Request(timeout(t), stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: testbed.JID("pv1"), Payload: bare(t, readRequest(1), string(id))})
		if !errors.Is(err, &stanza.Error{Condition: stanza.NotAcceptable}) {
			t.Errorf("answered with %v", err)
		}
		if !recorded(bed, audit.E2EDowngrade, "ems@"+testbed.Domain) {
			t.Errorf("no event %s in %v", audit.E2EDowngrade, bed.Audit.Events())
		}
		read(t, c, power) // the association has not noticed
	})
	t.Run("an answer to the handshake", func(t *testing.T) {
		bed, _ := testbed.StartMiddle(t, func(st stanza.Stanza) []stanza.Stanza {
			m := associationContent.FindSubmatch(st.Payload)
			if m != nil && bytes.Contains(st.Payload, []byte("<HandshakeReq ")) {
				return []stanza.Stanza{{Kind: stanza.IQ, Type: stanza.Result, ID: st.ID, From: st.To, To: st.From, Payload: bare(t, initiateResponse(), string(m[1])+":1")}}
			}
			return passOn(st)
		})
		link, err := bed.Dial(bed.Config("ems", rbac.Engineer)).Associate(testbed.JID("pv1"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = mmsmap.Associate(timeout(t), link, assoc.Config{}); err == nil || !strings.Contains(err.Error(), "is encrypted here") {
			t.Errorf("associated with %v", err)
		}
		if !recorded(bed, audit.E2EDowngrade, testbed.JID("pv1").String()) {
			t.Errorf("no event %s in %v", audit.E2EDowngrade, bed.Audit.Events())
		}
	})
	t.Run("an answer to a call", func(t *testing.T) {
		replaced := false
		bed, _ := testbed.StartMiddle(t, func(st stanza.Stanza) []stanza.Stanza {
			m := associationContent.FindSubmatch(st.Payload)
			if m != nil && !replaced && st.Type == stanza.Result && bytes.Contains(st.Payload, []byte("<EncrTransfer ")) {
				replaced = true
				st.Payload = bare(t, &mms.ConfirmedResponse{InvokeID: 1, Service: &mms.ReadResponse{
					ListOfAccessResult: []mms.AccessResult{&mms.Success{Value: value.Float(1)}}}}, string(m[1]))
			}
			return passOn(st)
		})
		bed.IED("pv1", pv(t))
		c := bed.Associate("ems", "pv1", rbac.Engineer)
		if got, err := c.GetDataValues(timeout(t), []acsi.Ref{setting}); !errors.Is(err, assoc.ErrNoAnswer) {
			t.Errorf("read %v, %v", got, err)
		}
		<-c.Done()
		if !recorded(bed, audit.E2EDowngrade, testbed.JID("pv1").String()) {
			t.Errorf("no event %s in %v", audit.E2EDowngrade, bed.Audit.Events())
		}
	})
}

// Without end-to-end security a peer has the roles that configuration gives to its name, and is seen to have
// proved nothing.
func TestPeerWithoutEndToEndSecurity(t *testing.T) {
	forged := rbac.Subject{Name: "admin@" + testbed.Domain, Address: "console", Grants: []rbac.Grant{new(rbac.Policy).NewGrant(rbac.Engineer, "")}}
	for _, tc := range []struct {
		name    string
		subject func(jid.JID) rbac.Subject
		want    int // grants
	}{
		{"no configuration, no roles", nil, 0},
		{"configuration gives roles and nothing else", func(jid.JID) rbac.Subject { return forged }, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bed := testbed.Start(t, testbed.Options{Mode: testbed.Off, Listener: testbed.NewListener()})
			cfg := bed.Config("pv1")
			cfg.Serve, cfg.Unprotected = true, &xmpp82.Unprotected{Subject: tc.subject}
			links := establish(t, bed.Dial(cfg))
			e := bed.Dial(bed.Config("ems", rbac.Engineer))
			c := bed.AssociateOn(e, "pv1")
			defer c.Abort()
			got := (<-links).Peer()
			if got.Name != "ems@"+testbed.Domain || got.Address != testbed.JID("ems").String() || !got.Unauthenticated || len(got.Grants) != tc.want {
				t.Errorf("the peer is %+v, want ems, unauthenticated, with %d grants", got, tc.want)
			}
		})
	}
}

// Every server on the way reads what is not encrypted, and says so to whoever looks.
func TestPDUsOnTheWayInEachMode(t *testing.T) {
	for _, m := range testbed.Modes82 {
		t.Run(m.String(), func(t *testing.T) {
			var broker capture
			bed := testbed.Start(t, testbed.Options{Mode: m, Listener: testbed.NewListener(), Tap: broker.tap})
			bed.IED("pv1", pv(t))
			c := bed.Associate("ems", "pv1", rbac.Engineer)
			read(t, c, setting)
			around := map[testbed.Mode]string{testbed.Encrypted: "EncrTransfer", testbed.Clear: "ClearTransfer", testbed.Off: "confirmed-RequestPDU"}[m]
			payload := broker.find(t, "ems", around)
			content := associationContent.FindSubmatch(payload)
			if readable := bytes.Contains(payload, []byte("DGEN1$SP$WMax")); readable != (m != testbed.Encrypted) {
				t.Errorf("readable: %t", readable)
			}
			if content == nil || !bytes.HasPrefix(content[2], []byte("<"+around+" xmlns='")) {
				t.Errorf("the association element holds %s", payload)
			}
		})
	}
}

// A peer that has started anew, and draws half an id that it has used before, draws another.
func TestE5HalfOfAnIDThatThePeerRemembers(t *testing.T) {
	bed := testbed.Start(t, testbed.Options{})
	bed.IED("pv1", pv(t))
	r := associateRogue(t, bed, "ems") // as 17
	r.session.Close()
	s, _ := raw(t, bed, "ems")
	if got := refusal(t, s, handshake(t, bed, "ems", "17")); got != string(stanza.Conflict) {
		t.Errorf("17 again is answered with %s, want conflict", got)
	}
	if !recorded(bed, audit.E2EAssociationID, "ems@"+testbed.Domain) {
		t.Errorf("no event %s in %v", audit.E2EAssociationID, bed.Audit.Events())
	}
	s.Close()

	for _, tc := range []struct {
		name      string
		conflicts int
	}{{"some times", 3}, {"for ever", 4}} {
		t.Run(tc.name, func(t *testing.T) {
			ids := make(map[string]bool)
			bed, _ := testbed.StartMiddle(t, func(st stanza.Stanza) []stanza.Stanza {
				if m := associationContent.FindSubmatch(st.Payload); m != nil && bytes.Contains(m[2], []byte("<HandshakeReq ")) {
					if ids[string(m[1])] = true; len(ids) <= tc.conflicts {
						return []stanza.Stanza{func() stanza.Stanza {
							e := st.ErrorReply(stanza.NewError(stanza.Conflict, ""))
							e.From = st.To
							return e
						}()}
					}
				}
				return passOn(st)
			})
			bed.IED("pv1", pv(t))
			link, err := bed.Dial(bed.Config("ems", rbac.Viewer)).Associate(testbed.JID("pv1"))
			if err != nil {
				t.Fatal(err)
			}
			c, err := mmsmap.Associate(timeout(t), link, assoc.Config{})
			if tc.conflicts > 3 {
				if !errors.Is(err, &stanza.Error{Condition: stanza.Conflict}) || len(ids) != 4 {
					t.Errorf("associated with %v after %d ids", err, len(ids))
				}
				return
			}
			if err != nil || len(ids) != 4 {
				t.Fatalf("associated with %v after %d ids", err, len(ids))
			}
			read(t, c, power)
		})
	}
}
