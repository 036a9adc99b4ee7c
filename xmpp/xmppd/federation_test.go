package xmppd_test

import (
	"errors"
	"testing"

	"busbar.example/xmpp/stanza"
)

func TestRequestsBetweenDomains(t *testing.T) {
	w := newWorld(t, nil, domain, utility)
	defer w.close()
	ied := w.realms[domain].login("pv1@dso.example/IEC", echoes)
	ems := w.realms[utility].login("ems@utility.example/IEC", echoes)
	defer ied.Close()
	defer ems.Close()
	const payload = "<p:read xmlns:p='urn:p' p:a='1'><x xmlns='urn:x'/>&lt;</p:read>"
	for range 3 {
		if got, err := ask(ems, "pv1@dso.example/IEC", payload); got != payload {
			t.Fatalf("from %s: %q, %v; want %q", utility, got, err, payload)
		}
		if got, err := ask(ied, "ems@utility.example/IEC", payload); got != payload {
			t.Fatalf("from %s: %q, %v; want %q", domain, got, err, payload)
		}
	}
	if n := w.dials.Load(); n != 2 {
		t.Errorf("%d connections between the servers, want one each way", n)
	}
}

func TestBouncesAcrossDomains(t *testing.T) {
	w := newWorld(t, nil, domain, utility)
	defer w.close()
	ems := w.realms[utility].login("ems@utility.example/IEC", nil)
	defer ems.Close()
	for _, tt := range []struct {
		to   string
		want stanza.Condition
	}{
		{"nobody@dso.example/IEC", stanza.ServiceUnavailable},
		{"nobody@dso.example", stanza.ServiceUnavailable},
		{"pv1@third.example/IEC", stanza.RemoteServerNotFound},
	} {
		if _, err := ask(ems, tt.to, "<q xmlns='urn:x'/>"); !errors.Is(err, &stanza.Error{Condition: tt.want}) {
			t.Errorf("asking %s: %v, want %s", tt.to, err, tt.want)
		}
	}
	if got, err := ask(ems, "dso.example", "<ping xmlns='urn:xmpp:ping'/>"); err != nil || got != "" {
		t.Errorf("the other server answers a ping with %q, %v", got, err)
	}
}
