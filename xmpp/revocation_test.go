package xmpp

import (
	"crypto/x509"
	"errors"
	"testing"

	"busbar.example/secure/audit"
	"busbar.example/secure/pki"
	"busbar.example/xmpp/sasl"
)

// Without a revocation list a stream is set up, and each end warns of each list
// that it lacks; where that is not good enough, it is not.
func TestM8NoRevocationList(t *testing.T) {
	strict := func(s *site) *pki.Trust {
		trust, err := pki.NewTrust([]*x509.Certificate{s.root.Certificate()}, nil)
		if err != nil {
			t.Fatal(err)
		}
		trust.SetFailClosed(true)
		return trust
	}
	warnings := func(m *audit.Memory) (n int) {
		for _, e := range m.Events() {
			if e.ID == audit.CRLMissing && e.Severity() == audit.Warning {
				n++
			}
		}
		return n
	}
	t.Run("warned of", func(t *testing.T) {
		p := newPair(t)
		served := p.serve(t.Context(), echo)
		s, err := Dial(t.Context(), p.client)
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		<-served
		if c, s := warnings(&p.clientEvents), warnings(&p.serverEvents); c != 2 || s != 2 {
			t.Errorf("%d and %d warnings, want one at each end for each of the two CAs", c, s)
		}
	})
	t.Run("the server fails closed", func(t *testing.T) {
		p := newPair(t)
		p.server.Trust = strict(p.site)
		served := p.serve(t.Context(), echo)
		var refused *sasl.Failure
		if _, err := Dial(t.Context(), p.client); !errors.As(err, &refused) || refused.Condition != sasl.NotAuthorized {
			t.Errorf("Dial: %v, want not-authorized", err)
		}
		<-served
		if warnings(&p.serverEvents) == 0 {
			t.Errorf("no event %s in %v", audit.CRLMissing, p.serverEvents.Events())
		}
	})
	t.Run("the client fails closed", func(t *testing.T) {
		p := newPair(t)
		p.client.Trust = strict(p.site)
		served := p.serve(t.Context(), echo)
		var refused *pki.VerifyError
		if _, err := Dial(t.Context(), p.client); !errors.As(err, &refused) || refused.Rule != pki.RuleCRLMissing {
			t.Errorf("Dial: %v, want a refusal for want of a list", err)
		}
		<-served
		if warnings(&p.clientEvents) == 0 {
			t.Errorf("no event %s in %v", audit.CRLMissing, p.clientEvents.Events())
		}
	})
}
