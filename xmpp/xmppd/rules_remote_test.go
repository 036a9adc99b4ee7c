package xmppd_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// arrivals keeps what has come to whom.
type arrivals struct {
	mu   sync.Mutex
	what []string
}

func (a *arrivals) add(s string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.what = append(a.what, s)
}

// take returns what has come since the last call, in the words of the table in docs/broker.md.
func (a *arrivals) take() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	all := a.what
	a.what = nil
	if len(all) == 0 {
		return "nothing"
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// TestStanzaGridFromAnotherDomain is TestStanzaGrid for a sender whose server is another: by the same prose the same must come
// of what it sends. Only an answer to nothing goes nowhere (M10), and a probe is the servers' business.
//
// RFC 6121, Sections 8.5.1 to 8.5.3.
func TestStanzaGridFromAnotherDomain(t *testing.T) {
	types := map[stanza.Kind][]stanza.Type{
		stanza.IQ:       {stanza.Get, stanza.Set, stanza.Result, stanza.TypeError},
		stanza.Message:  {"", stanza.Chat, stanza.Groupchat, stanza.Headline, stanza.TypeError},
		stanza.Presence: {"", stanza.Unavailable},
	}
	for _, shape := range shapes {
		t.Run(fmt.Sprint(shape), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, grouped("hmi@utility.example", "pv1@dso.example"), domain, utility)
				defer w.close()
				var came arrivals
				sender := w.realms[utility].login("hmi@utility.example/1", func(_ *xmpp.Session, st stanza.Stanza) {
					came.add(condition(st))
				})
				defer sender.Close()
				names := []string{"bare", "absent"}
				for i, p := range shape {
					name := string(rune('a' + i))
					names = append(names, name)
					s := w.realms[domain].login("pv1@dso.example/"+name, func(_ *xmpp.Session, st stanza.Stanza) {
						if st.From == jid.MustParse("hmi@utility.example/1") {
							came.add(name)
						}
					})
					defer s.Close()
					available(t, s, fmt.Sprintf("<priority>%d</priority>", p))
				}
				synctest.Wait()
				for kind, ofKind := range types {
					for _, typ := range ofKind {
						for _, to := range names {
							st := stanza.Stanza{Kind: kind, Type: typ, ID: "7" + to + string(typ), To: jid.MustParse("pv1@dso.example"), Payload: []byte("<q xmlns='urn:x'/>")}
							if to != "bare" {
								st.To = jid.MustParse("pv1@dso.example/" + to)
							}
							err := send(t, sender, st, &came)
							synctest.Wait()
							want := due(kind.String(), string(typ), to, shape)
							if kind == stanza.IQ && !slices.Contains([]stanza.Type{stanza.Get, stanza.Set}, typ) {
								want = "nothing"
							}
							if got := came.take(); got != want || err != nil {
								t.Errorf("%v %q to %s, resources %v: came to %q, %v, want %q", kind, typ, to, shape, got, err, want)
							}
						}
					}
				}
			})
		})
	}
}

// condition is that of an error, or says what there is instead.
func condition(st stanza.Stanza) string {
	e, err := stanza.ParseError(st.Payload)
	if st.Type != stanza.TypeError || err != nil {
		return st.Kind.String() + " " + string(st.Type)
	}
	return string(e.Condition)
}

// send sends a stanza; the error that answers a request is noted.
func send(t *testing.T, s *xmpp.Session, st stanza.Stanza, came *arrivals) error {
	if st.Kind != stanza.IQ || st.Type != stanza.Get && st.Type != stanza.Set {
		return s.Send(t.Context(), st)
	}
	_, err := s.SendIQ(t.Context(), st, func(reply stanza.Stanza) {
		came.add(condition(reply))
	})
	return err
}
