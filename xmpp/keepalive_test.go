package xmpp

import (
	"testing"
	"time"
)

// XEP-0199, Section 4.
func TestKeepAlive(t *testing.T) {
	start := time.Unix(0, 0)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	type step struct {
		at         int // seconds
		heard      bool
		ping, lost bool
		next       int // -1 for never
	}
	normal := KeepAlive{Idle: 8 * time.Second, Loss: 20 * time.Second}
	tests := []struct {
		name  string
		k     KeepAlive
		steps []step
	}{
		{"silence", normal, []step{{0, false, false, false, 8}, {7, false, false, false, 8}, {8, false, true, false, 16}, {9, false, false, false, 16},
			{16, false, true, false, 20}, {19, false, false, false, 20}, {20, false, false, true, 20}}},
		{"an answer", normal, []step{{8, false, true, false, 16}, {10, true, false, false, 18}, {18, false, true, false, 26}, {29, false, true, false, 30}, {30, false, false, true, 30}}},
		{"never ping", KeepAlive{Idle: -1, Loss: 20 * time.Second}, []step{{8, false, false, false, 20}, {20, false, false, true, 20}}},
		{"never lost", KeepAlive{Idle: 8 * time.Second, Loss: -1}, []step{{8, false, true, false, 16}, {100, false, true, false, 108}}},
		{"never anything", KeepAlive{Idle: -1, Loss: -1}, []step{{1000, false, false, false, -1}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newKeepAlive(tt.k, start)
			for _, s := range tt.steps {
				if s.heard {
					k.hear(at(s.at))
				}
				ping, lost := k.tick(at(s.at))
				if ping != s.ping || lost != s.lost {
					t.Errorf("at %d s: ping %v, lost %v, want %v, %v", s.at, ping, lost, s.ping, s.lost)
				}
				want := time.Time{}
				if s.next >= 0 {
					want = at(s.next)
				}
				if next := k.next(); !next.Equal(want) {
					t.Errorf("at %d s: next at %v, want %v", s.at, next, want)
				}
			}
		})
	}
}

// A connection rests after a second of silence, once in each.
func TestRest(t *testing.T) {
	start := time.Unix(0, 0)
	at := func(s float64) time.Time { return start.Add(time.Duration(s * float64(time.Second))) }
	k := newKeepAlive(KeepAlive{Idle: 8 * time.Second, Loss: -1}, start)
	for _, s := range []struct {
		at    float64
		heard bool
		rest  bool
		next  float64
	}{{0.5, false, false, 1}, {1, false, true, 8}, {7, false, false, 8}, {7.5, true, false, 8.5}, {8, true, false, 9}, {9, false, true, 16}} {
		if s.heard {
			if sooner, want := k.hear(at(s.at)), s.at == 7.5; sooner != want {
				t.Errorf("at %v s: the end of a silence %v, want %v", s.at, sooner, want)
			}
		}
		if rest := k.rest(at(s.at)); rest != s.rest {
			t.Errorf("at %v s: rest %v, want %v", s.at, rest, s.rest)
		}
		if next := k.nextSince(start); !next.Equal(at(s.next)) {
			t.Errorf("at %v s: next at %v, want %v", s.at, next, at(s.next))
		}
	}
}
