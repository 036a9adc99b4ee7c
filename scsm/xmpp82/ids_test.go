package xmpp82

import (
	"errors"
	"testing"
	"time"

	"busbar.example/xmpp/jid"
)

var anyHalf = func(string) bool { return true }

func TestValidIDs(t *testing.T) {
	for id, want := range map[string]bool{
		"0": true, "7": true, "999": true, "0:0": true, "17:934": true,
		"": false, ":": false, "1:": false, ":1": false, "1:2:3": false, "00": false, "01": false, "1:01": false, "1000": false, "1:1000": false,
		"-1": false, "+1": false, " 1": false, "1 ": false, "x": false, "1:x": false, "١": false,
	} {
		if got := validID(id); got != want {
			t.Errorf("validID(%q) = %t", id, got)
		}
	}
}

// The server's half is random, as the client's is after a refusal, or where the clock's is taken.
func TestHalvesAreRandom(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	peer := jid.MustParse("a@x.example/IEC")
	for name, draw := range map[string]func(*idPool) (string, error){
		"answer": func(p *idPool) (string, error) { return p.answer(peer, now, anyHalf) },
		"retake": func(p *idPool) (string, error) { return p.retake(peer, now, anyHalf) },
		"take, the second time": func(p *idPool) (string, error) {
			if _, err := p.take(peer, now, anyHalf); err != nil {
				return "", err
			}
			return p.take(peer, now, anyHalf)
		},
	} {
		seen := make(map[string]bool)
		for range 200 {
			var p idPool
			half, err := draw(&p)
			if err != nil || !validHalf(half) {
				t.Fatalf("%s gives %q, %v", name, half, err)
			}
			seen[half] = true
		}
		if len(seen) < 100 { // of 200 draws out of 1,000 some 181 differ
			t.Errorf("%s: 200 draws give %d different halves", name, len(seen))
		}
	}
}

// A process that starts anew again and again, and remembers nothing, draws no half that it drew in the last 20 minutes.
func TestHalvesOfProcessesThatStartAnew(t *testing.T) {
	peer := jid.MustParse("a@x.example/IEC")
	drawn := make(map[string]time.Time)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 3 * idHalves {
		var p idPool
		half, err := p.take(peer, now, anyHalf)
		if err != nil {
			t.Fatal(err)
		}
		if at, again := drawn[half]; again && now.Sub(at) < idRest {
			t.Fatalf("start %d draws %s, which was drawn %v before", i, half, now.Sub(at))
		}
		drawn[half] = now
		now = now.Add(idRound/idHalves + time.Duration(i%7)*100*time.Millisecond)
	}
}

// Where an account has made 1,000 associations in 20 minutes, the server gives the half that has rested longest, and none
// that is in use.
func TestServersHalvesAreUsedAgain(t *testing.T) {
	var p idPool
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	peer := jid.MustParse("a@x.example/IEC-1")
	var order []string
	for range idHalves {
		half, err := p.answer(peer, now, anyHalf)
		if err != nil {
			t.Fatal(err)
		}
		order = append(order, half)
	}
	if half, err := p.answer(peer, now, anyHalf); !errors.Is(err, errNoIDs) {
		t.Errorf("all are in use, and %q is given, %v", half, err)
	}
	for i, half := range order[1:] {
		p.release(peer, half, now.Add(time.Duration(i)*time.Millisecond))
	}
	for i, want := range order[1:4] {
		if half, err := p.answer(peer, now.Add(2*time.Second), anyHalf); half != want {
			t.Errorf("draw %d gives %q, %v; want %q", i, half, err, want)
		}
	}
	if half, err := p.answer(peer, now.Add(2*time.Second), func(s string) bool { return s != order[4] }); half != order[5] {
		t.Errorf("got %q, %v, want %q: %q is not acceptable", half, err, order[5], order[4])
	}
}

// A half rests for 20 minutes after its use; an account shares its halves among its resources.
func TestHalvesRest(t *testing.T) {
	var p idPool
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	a, b := jid.MustParse("a@x.example/IEC"), jid.MustParse("b@x.example/IEC")
	other, err := a.WithResource("other")
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for range idHalves {
		half, err := p.take(a, now, anyHalf)
		if err != nil || seen[half] {
			t.Fatalf("draw %d gives %q, %v", len(seen), half, err)
		}
		seen[half] = true
	}
	for _, peer := range []jid.JID{a, other} {
		if half, err := p.take(peer, now, anyHalf); !errors.Is(err, errNoIDs) {
			t.Errorf("the 1,001st draw for %v gives %q, %v", peer, half, err)
		}
	}
	if _, err := p.take(b, now, anyHalf); err != nil {
		t.Errorf("another account: %v", err)
	}
	p.release(other, "17", now)
	if half, err := p.take(a, now.Add(idRest-time.Nanosecond), anyHalf); err == nil {
		t.Errorf("%q is used again before its time", half)
	}
	if half, err := p.take(a, now.Add(idRest), anyHalf); half != "17" {
		t.Errorf("after its time: got %q, %v", half, err)
	}
	p.release(b, "not a half", now)
}

func TestHalvesThatAreNotAcceptable(t *testing.T) {
	var p idPool
	peer := jid.MustParse("a@x.example/IEC")
	if half, err := p.take(peer, time.Now(), func(s string) bool { return s == "5" }); half != "5" {
		t.Errorf("got %q, %v, want 5", half, err)
	}
	if half, err := p.take(peer, time.Now(), func(string) bool { return false }); !errors.Is(err, errNoIDs) {
		t.Errorf("got %q, %v, want none", half, err)
	}
}

// What is remembered of an account is forgotten once it has rested.
func TestHalvesAreForgotten(t *testing.T) {
	var p idPool
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, name := range []string{"a", "b", "c"} {
		peer := jid.MustParse(name + "@x.example/IEC")
		half, err := p.take(peer, now, anyHalf)
		if err != nil {
			t.Fatal(err)
		}
		if name != "c" {
			p.release(peer, half, now)
		}
	}
	p.sweep(now.Add(idRest + time.Minute))
	if len(p.peers) != 1 {
		t.Errorf("%d accounts are remembered, want the one that is in use", len(p.peers))
	}
}
