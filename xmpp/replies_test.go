package xmpp

import (
	"fmt"
	"testing"
	"time"

	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

func address(s string) jid.JID {
	if s == "" {
		return jid.JID{}
	}
	return jid.MustParse(s)
}

// RFC 6120, Sections 8.1.2.1 and 8.2.3.
func TestX6RepliesAreMatchedBySender(t *testing.T) {
	tests := []struct {
		name, to, from string
		want           bool
	}{
		{"from whom it went to", "a@site.example/r", "a@site.example/r", true},
		{"from another resource", "a@site.example/r", "a@site.example/q", false},
		{"from the bare JID", "a@site.example/r", "a@site.example", false},
		{"from another account", "a@site.example/r", "b@site.example/r", false},
		{"from nobody, for another account", "a@site.example/r", "", false},
		{"from the server, for another account", "a@site.example/r", "site.example", false},
		{"from nobody, for our account", "me@site.example", "", true},
		{"from our account, for nobody", "", "me@site.example", true},
		{"from nobody, for nobody", "", "", true},
		{"from another resource of ours, for nobody", "", "me@site.example/other", false},
		{"from somebody, for nobody", "", "a@site.example/r", false},
		{"from the server, for the server", "site.example", "site.example", true},
		{"from nobody, for the server", "site.example", "", false},
		{"from another server", "site.example", "other.example", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newReplies(jid.MustParse("me@site.example/r"))
			called := false
			if err := r.add(address(tt.to), "1", func(stanza.Stanza) { called = true }); err != nil {
				t.Fatal(err)
			}
			if _, ok := r.take(stanza.Stanza{From: address(tt.to), ID: "2"}); ok {
				t.Error("a reply with another id is taken")
			}
			fn, ok := r.take(stanza.Stanza{From: address(tt.from), ID: "1"})
			if ok {
				fn(stanza.Stanza{})
			}
			if ok != tt.want || called != tt.want {
				t.Errorf("to %q, from %q: %v, want %v", tt.to, tt.from, ok, tt.want)
			}
			if _, ok := r.take(stanza.Stanza{From: address(tt.from), ID: "1"}); ok {
				t.Error("a second reply is taken")
			}
		})
	}
}

func TestRepliesAreBounded(t *testing.T) {
	peer := jid.MustParse("a@site.example/r")
	r := newReplies(jid.MustParse("me@site.example/r"))
	if r.add(peer, "0", nil) != nil || r.add(peer, "0", nil) == nil {
		t.Error("the same id is used twice at a time")
	}
	for i := 1; i < maxReplies; i++ {
		if err := r.add(peer, fmt.Sprint(i), func(stanza.Stanza) {}); err != nil {
			t.Fatalf("request %d: %v", i, err)
		}
	}
	if r.add(peer, "more", nil) == nil {
		t.Errorf("more than %d requests wait", maxReplies)
	}
	for i := range maxReplies {
		r.abandon(peer, fmt.Sprint(i))
	}
	if len(r.waiting) != maxAbandoned || len(r.abandoned) != maxAbandoned {
		t.Errorf("%d requests are remembered, %d in order, want %d", len(r.waiting), len(r.abandoned), maxAbandoned)
	}
	if fn, ok := r.take(stanza.Stanza{From: peer, ID: fmt.Sprint(maxReplies - 1)}); !ok || fn != nil {
		t.Errorf("a late reply: expected %v, somebody waits %v", ok, fn != nil)
	}
}

func TestThrottle(t *testing.T) {
	var th throttle
	now := time.Unix(0, 0)
	passed := 0
	for range 1000 {
		if ok, missed := th.allow(now); ok {
			passed++
			if missed != 0 {
				t.Errorf("%d were missed before anything was", missed)
			}
		}
	}
	if ok, missed := th.allow(now.Add(time.Minute)); passed != 32 || !ok || missed != 1000-32 {
		t.Errorf("%d of 1000 let through; a minute later %v, %d missed", passed, ok, missed)
	}
}
