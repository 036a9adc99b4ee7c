package xmppd_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"busbar.example/xmpp/xmppd"
)

// shapes are the resources that an addressee may have, by the priority of their presence.
var shapes = [][]int{
	{}, {1}, {0}, {-1}, {1, 1}, {0, 0}, {-1, -1}, {3, 1}, {3, 0}, {1, -1}, {0, -1}, {127, -128},
	{1, 1, 1}, {3, 1, 2}, {3, 1, 0}, {1, 0, -1}, {0, 0, 0}, {-1, -1, -1}, {1, 1, -1, 1}, {1, 2, -1, 3}, {0, 0, -1, 0}, {1, 0, -1, 3},
}

// due is what becomes of a stanza, in the words of the table in docs/broker.md, by the prose of RFC 6121, Section 8.5: for
// an account that has those resources, a, b and so on, all available, and that the sender may see. to is bare, absent or
// the name of a resource.
func due(kind, typ, to string, priorities []int) string {
	var all, most []string
	best := slices.Max(append([]int{-1}, priorities...))
	for i, p := range priorities {
		all = append(all, string(rune('a'+i)))
		if p >= 0 && p == best {
			most = append(most, all[i])
		}
	}
	some := func(names []string, none string) string {
		if len(names) == 0 {
			return none
		}
		return strings.Join(names, ", ")
	}
	var nonNegative []string
	for i, p := range priorities {
		if p >= 0 {
			nonNegative = append(nonNegative, all[i])
		}
	}
	const unavailable, nothing = "service-unavailable", "nothing"
	if to != "bare" && to != "absent" { // 8.5.3.1
		if kind == "presence" && typ == "probe" {
			return "available"
		}
		return to
	}
	switch kind {
	case "message":
		switch {
		case typ == "error":
			return nothing
		case typ == "groupchat":
			return unavailable
		case to == "absent" && typ != "chat": // 8.5.3.2.1
			return unavailable
		case typ == "headline": // 8.5.2.1.1
			return some(nonNegative, nothing)
		}
		return some(most, unavailable)
	case "presence":
		switch {
		case typ == "probe" && (to == "absent" || len(priorities) == 0):
			return "unavailable"
		case typ == "probe":
			return strings.TrimSuffix(strings.Repeat("available, ", len(priorities)), ", ")
		case to == "absent": // 8.5.3.2.2
			return nothing
		}
		return some(all, nothing) // 8.5.2.1.2, 8.5.2.2.2
	}
	if typ == "result" || typ == "error" { // 8.5.2.1.3, 8.5.3.2.3
		return nothing
	}
	return unavailable
}

// TestStanzaGrid sends stanzas of every type to bare, full and absent addresses of accounts with resources of every kind of
// priority, where configuration lets the sender see the account, and where the two have agreed on it.
//
// RFC 6121, Sections 8.5.2 and 8.5.3.
func TestStanzaGrid(t *testing.T) {
	types := map[string][]string{
		"iq":       {"get", "set", "result", "error"},
		"message":  {"normal", "chat", "groupchat", "headline", "error"},
		"presence": {"", "unavailable", "probe"},
	}
	cases := 0
	for _, agreed := range []bool{false, true} {
		for _, shape := range shapes {
			t.Run(fmt.Sprintf("agreed=%v/%v", agreed, shape), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					sender, at, done := newGrid(t, agreed, shape)
					defer done()
					for kind, ofKind := range types {
						for _, typ := range ofKind {
							for _, to := range append([]string{"bare", "absent"}, namesOf(at)...) {
								sent := stanzaFor(kind, typ, to)
								sender.send(sent)
								synctest.Wait()
								if got, want := outcome(t, sent, sender, at), due(kind, typ, to, shape); got != want {
									t.Errorf("%s, resources %v: %s came to %q, want %q", to, shape, sent, got, want)
								}
								cases++
							}
						}
					}
				})
			})
		}
	}
	t.Logf("%d cases", cases)
}

func namesOf(at map[string]*rawClient) []string {
	var names []string
	for name := range at {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func stanzaFor(kind, typ, to string) string {
	address := "pv1@dso.example"
	if to != "bare" {
		address += "/" + to
	}
	if typ != "" {
		typ = " type='" + typ + "'"
	}
	return fmt.Sprintf("<%s%s id='7' to='%s'><q xmlns='urn:x'/></%[1]s>", kind, typ, address)
}

// newGrid is a server with a sender and an account that has those resources.
func newGrid(t *testing.T, agreed bool, shape []int) (sender *rawClient, at map[string]*rawClient, done func()) {
	s := newSite(t, func(c *xmppd.Config) {
		c.Groups = groups("hmi pv1")
		if agreed {
			c.Groups, c.Rosters = []xmppd.Group{}, new(xmppd.Rosters)
		}
	})
	sender = s.connect("hmi@dso.example", "1")
	if agreed {
		agree := s.connect("pv1@dso.example", "agree")
		agree.send("<presence type='subscribed' to='hmi@dso.example'/>")
		synctest.Wait()
		sender.send("<presence type='subscribe' to='pv1@dso.example'/>")
		synctest.Wait()
		agree.raw.Close()
		synctest.Wait()
	}
	at = map[string]*rawClient{}
	for i, p := range shape {
		name := string(rune('a' + i))
		at[name] = s.connect("pv1@dso.example", name)
		at[name].send(fmt.Sprintf("<presence><priority>%d</priority></presence>", p))
		synctest.Wait()
	}
	for _, c := range at {
		c.take()
	}
	sender.take()
	return sender, at, s.close
}
