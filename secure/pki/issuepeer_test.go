package pki

import (
	"testing"
	"time"
)

// IEC 62351-3: an IED is found by each of the hosts that its certificate is for, and by no other.
func TestPeerTLSIsForItsHosts(t *testing.T) {
	ca, err := NewRoot(E2M, "test.example")
	if err != nil {
		t.Fatal(err)
	}
	trust := trustIn(t, ca)
	id, err := ca.IssuePeerTLS("pv1@test.example", "pv1.plant.example", "10.0.0.5", "2001:db8::5")
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"pv1.plant.example", "10.0.0.5", "2001:db8::5"} {
		if _, err := trust.VerifyPeerServer(id.Chain, host, time.Now()); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	for _, host := range []string{"pv2.plant.example", "10.0.0.6", "test.example", ""} {
		if _, err := trust.VerifyPeerServer(id.Chain, host, time.Now()); err == nil {
			t.Errorf("it is taken for %q", host)
		}
	}
	if _, err := trust.VerifyServer(id.Chain, "test.example", time.Now()); err == nil {
		t.Error("it is taken for the broker")
	}
	if _, err := trust.VerifyClient(id.Chain, time.Now()); err == nil {
		t.Error("it logs in to the broker")
	}
}

func TestPeerTLSThatIsNotIssued(t *testing.T) {
	ca, err := NewRoot(E2M, "test.example")
	if err != nil {
		t.Fatal(err)
	}
	end, err := NewRoot(E2E, "test.example")
	if err != nil {
		t.Fatal(err)
	}
	for name, issue := range map[string]func() (*Identity, error){
		"no host":         func() (*Identity, error) { return ca.IssuePeerTLS("pv1@test.example") },
		"a host with /":   func() (*Identity, error) { return ca.IssuePeerTLS("pv1@test.example", "a/b") },
		"no JID":          func() (*Identity, error) { return ca.IssuePeerTLS("pv1", "a.example") },
		"other hierarchy": func() (*Identity, error) { return end.IssuePeerTLS("pv1@test.example", "a.example") },
	} {
		if id, err := issue(); err == nil {
			t.Errorf("%s: issued %v", name, id.Chain[0].Subject)
		}
	}
}
