package xmppd

import (
	"fmt"
	"testing"

	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// BenchmarkPermit asks whether a stanza may pass, of the addressee of before and of many in turn, by many rules and by none.
func BenchmarkPermit(b *testing.B) {
	for _, rules := range []int{0, 10, 1000} {
		for _, addressees := range []int{1, 100} {
			b.Run(fmt.Sprintf("%d-rules/%d-addressees", rules, addressees), func(b *testing.B) {
				set := &settings{}
				for i := range rules {
					p, err := ParsePattern(fmt.Sprintf("nobody%d@dso.example", i))
					if err != nil {
						b.Fatal(err)
					}
					set.Rules = append(set.Rules, Rule{From: p, To: p})
				}
				s := new(Server)
				s.set.Store(set)
				from := jid.MustParse("ems@dso.example/1")
				to := make([]jid.JID, addressees)
				for i := range to {
					to[i] = jid.MustParse(fmt.Sprintf("pv%d@dso.example/IEC", i))
				}
				var v verdicts
				st := stanza.Stanza{Kind: stanza.Message}
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if !v.permit(s, from.Bare(), to[i%addressees].Bare(), &st) {
						b.Fatal("denied")
					}
				}
			})
		}
	}
}
