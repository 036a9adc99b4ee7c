package xmppd_test

import (
	"context"
	"testing"

	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// BenchmarkRoundTrip measures a request of 600 octets and its answer, one after the other: between two clients of one server,
// and of two servers of different domains, with TLS everywhere and all in one process. It is dominated by the system's
// scheduler: what counts is how the two compare.
func BenchmarkRoundTrip(b *testing.B) {
	w := newWorld(b, nil, domain, utility)
	defer w.close()
	ied := w.realms[domain].login("pv1@dso.example/IEC", echoes)
	defer ied.Close()
	for name, from := range map[string]*realm{"local": w.realms[domain], "federated": w.realms[utility]} {
		client := from.login("ems@"+from.domain+"/IEC", nil)
		defer client.Close()
		request := stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: jid.MustParse("pv1@dso.example/IEC"), Payload: []byte(payload(600))}
		b.Run(name, func(b *testing.B) { roundTrips(b, client, request) })
	}
}

func roundTrips(b *testing.B, client *xmpp.Session, request stanza.Stanza) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Request(context.Background(), request); err != nil {
			b.Fatal(err)
		}
	}
}
