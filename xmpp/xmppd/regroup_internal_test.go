package xmppd

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"busbar.example/xmpp/jid"
)

// What is decided for many accounts at once is what is decided for each pair of them.
func TestSightIsWhatTheRulesDecide(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	patterns := []string{"*", "*@dso.example", "*@*", "a*@dso.example", "b1@dso.example", "*@utility.example", "a1*@*"}
	var accounts []*account
	for _, name := range []string{"a", "a1", "a11", "b", "b1", "c"} {
		accounts = append(accounts, &account{jid: jid.MustParse(name + "@dso.example")})
	}
	for n := range 200 {
		set := &settings{}
		for range random.IntN(130) {
			var ends [2]Pattern
			for i := range ends {
				var err error
				if ends[i], err = ParsePattern(patterns[1+random.IntN(len(patterns)-1)]); err != nil {
					t.Fatal(err)
				}
			}
			set.Rules = append(set.Rules, Rule{From: ends[0], To: ends[1], Allow: random.IntN(2) == 0})
		}
		v := newSight(set, accounts)
		for i, from := range accounts {
			for k, to := range accounts {
				if i == k {
					continue
				}
				if got, want := v.permits(i, k), decide(set.Rules, from.jid, to.jid); got != want {
					t.Fatalf("round %d: from %v to %v: %t, want %t, by %v", n, from.jid, to.jid, got, want, set.Rules)
				}
			}
		}
	}
}

// BenchmarkRegroup changes a rule under the eyes of thousands of accounts that all see each other, and of whom it concerns none.
func BenchmarkRegroup(b *testing.B) {
	s := &Server{}
	for i := range 4096 {
		j := jid.MustParse(fmt.Sprintf("pv%d@dso.example", i))
		s.order = append(s.order, &account{jid: j, sessions: []*session{{available: true}}})
	}
	p, err := ParsePattern("nobody@dso.example")
	if err != nil {
		b.Fatal(err)
	}
	last, next := &settings{}, &settings{Live: Live{Rules: []Rule{{From: p, To: p}}}}
	for b.Loop() {
		s.regroup(last, next)
	}
}
