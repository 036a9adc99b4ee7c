package xmppd

import (
	"testing"

	"busbar.example/xmpp/stanza"
)

// The states of RFC 6121, Appendix A.1, in its order.
var states = []struct {
	name string
	sub  subscription
}{
	{"None", 0},
	{"None+Out", asked},
	{"None+In", asking},
	{"None+Out+In", asked | asking},
	{"To", sees},
	{"To+In", sees | asking},
	{"From", shownTo},
	{"From+Out", shownTo | asked},
	{"Both", sees | shownTo},
}

func stateOf(s subscription) string {
	for _, st := range states {
		if st.sub == s {
			return st.name
		}
	}
	return "no state of the RFC"
}

// TestSubscriptionSent plays the tables of RFC 6121, Appendix A.2: for each state whether the stanza is routed, and the
// state that follows.
func TestSubscriptionSent(t *testing.T) {
	type outcome struct {
		route bool
		next  string
	}
	for _, tt := range []struct {
		clause string
		typ    stanza.Type
		want   []outcome
	}{
		{"A.2.1", stanza.Subscribe, []outcome{
			{true, "None+Out"}, {true, "None+Out"}, {true, "None+Out+In"}, {true, "None+Out+In"},
			{true, "To"}, {true, "To+In"}, {true, "From+Out"}, {true, "From+Out"}, {true, "Both"}}},
		{"A.2.2", stanza.Unsubscribe, []outcome{
			{true, "None"}, {true, "None"}, {true, "None+In"}, {true, "None+In"},
			{true, "None"}, {true, "None+In"}, {true, "From"}, {true, "From"}, {true, "From"}}},
		{"A.2.3", stanza.Subscribed, []outcome{
			{false, "None"}, {false, "None+Out"}, {true, "From"}, {true, "From+Out"},
			{false, "To"}, {true, "Both"}, {false, "From"}, {false, "From+Out"}, {false, "Both"}}},
		{"A.2.4", stanza.Unsubscribed, []outcome{
			{false, "None"}, {false, "None+Out"}, {true, "None"}, {true, "None+Out"},
			{false, "To"}, {true, "To"}, {true, "None"}, {true, "None+Out"}, {true, "To"}}},
	} {
		for i, st := range states {
			next, route := st.sub.send(tt.typ)
			if got := (outcome{route, stateOf(next &^ approved)}); got != tt.want[i] {
				t.Errorf("RFC 6121, %s: %s in %s came to %+v, want %+v", tt.clause, tt.typ, st.name, got, tt.want[i])
			}
		}
	}
}

// TestSubscriptionReceived plays the tables of RFC 6121, Appendix A.3: for each state whether the stanza is delivered,
// and the state that follows.
func TestSubscriptionReceived(t *testing.T) {
	type outcome struct {
		deliver bool
		next    string
		answer  stanza.Type
	}
	for _, tt := range []struct {
		clause string
		typ    stanza.Type
		want   []outcome
	}{
		{"A.3.1", stanza.Subscribe, []outcome{
			{true, "None+In", ""}, {true, "None+Out+In", ""}, {false, "None+In", ""}, {false, "None+Out+In", ""},
			{true, "To+In", ""}, {false, "To+In", ""},
			{false, "From", stanza.Subscribed}, {false, "From+Out", stanza.Subscribed}, {false, "Both", stanza.Subscribed}}},
		{"A.3.2", stanza.Unsubscribe, []outcome{
			{false, "None", ""}, {false, "None+Out", ""}, {true, "None", ""}, {true, "None+Out", ""},
			{false, "To", ""}, {true, "To", ""}, {true, "None", ""}, {true, "None+Out", ""}, {true, "To", ""}}},
		{"A.3.3", stanza.Subscribed, []outcome{
			{false, "None", ""}, {true, "To", ""}, {false, "None+In", ""}, {true, "To+In", ""},
			{false, "To", ""}, {false, "To+In", ""}, {false, "From", ""}, {true, "Both", ""}, {false, "Both", ""}}},
		{"A.3.4", stanza.Unsubscribed, []outcome{
			{false, "None", ""}, {true, "None", ""}, {false, "None+In", ""}, {true, "None+In", ""},
			{true, "None", ""}, {true, "None+In", ""}, {false, "From", ""}, {true, "From", ""}, {true, "From", ""}}},
	} {
		for i, st := range states {
			next, deliver, answer := st.sub.receive(tt.typ)
			if got := (outcome{deliver, stateOf(next), answer}); got != tt.want[i] {
				t.Errorf("RFC 6121, %s: %s in %s came to %+v, want %+v", tt.clause, tt.typ, st.name, got, tt.want[i])
			}
		}
	}
}

// TestSubscriptionApprovedInAdvance is that a request which was approved before it came is answered at once, and that the
// approval can be taken back.
//
// RFC 6121, Section 3.4.
func TestSubscriptionApprovedInAdvance(t *testing.T) {
	for _, st := range states {
		if st.sub&(shownTo|asking) != 0 {
			continue // there is nothing to approve in advance
		}
		before, route := st.sub.send(stanza.Subscribed)
		if !before.has(approved) || route {
			t.Errorf("%s: subscribed comes to %v, routed %v, want an approval that is not routed", st.name, before, route)
		}
		after, deliver, answer := before.receive(stanza.Subscribe)
		if want := st.sub | shownTo | approved; after != want || deliver || answer != stanza.Subscribed {
			t.Errorf("%s, approved: subscribe comes to %v, delivered %v, answered %q, want %v and subscribed", st.name, after, deliver, answer, want)
		}
		if undone, route := before.send(stanza.Unsubscribed); undone != st.sub || route {
			t.Errorf("%s, approved: unsubscribed comes to %v, routed %v, want %v and nothing routed", st.name, undone, route, st.sub)
		}
	}
}
