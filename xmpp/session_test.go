package xmpp

import (
	"context"
	"testing"

	"busbar.example/xmpp/stanza"
)

func TestSessionOverPipe(t *testing.T) {
	p := newPair(t)
	served := p.serve(t.Context(), echo)
	s, err := Dial(t.Context(), p.client)
	if err != nil {
		t.Fatal(err, <-served)
	}
	reply, err := s.Request(context.Background(), stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, Payload: []byte("<a xmlns='urn:a'/>")})
	t.Log(reply, err, s.Info().Mechanism, s.Info().MaxStanza)
	s.Close()
	t.Log(s.Err(), <-served)
	for _, e := range append(p.clientEvents.Events(), p.serverEvents.Events()...) {
		t.Log(e)
	}
}
