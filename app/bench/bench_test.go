package bench

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"busbar.example/secure/pki"
	"busbar.example/xmpp/xmppd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// inProcess is a server in this process, which is no fit judge of processor time and memory.
func inProcess(t *testing.T) *server {
	t.Helper()
	g, err := newGround(Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.close)
	id, err := pki.LoadIdentity(g.site.Path("pki", "broker", "tls.crt"), g.site.Path("pki", "broker", "tls.key"))
	if err != nil {
		t.Fatal(err)
	}
	x, err := xmppd.New(xmppd.Config{Domain: domain, Trust: g.trust, Live: xmppd.Live{Identity: id}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		x.Serve(context.Background(), l)
	}()
	return &server{name: "here", most: manyClients, client: g.client(l.Addr().String()), stop: func() {
		x.Close()
		<-served
	}}
}

func TestLoads(t *testing.T) {
	s := inProcess(t)
	defer s.stop()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if l, err := s.flood(ctx, 600, 200*time.Millisecond); err != nil || l.rate() <= 0 {
		t.Errorf("a flood of %v stanzas a second, %v", l.rate(), err)
	}
	for _, octets := range []int{8000, 60000} {
		if d, err := s.trip(ctx, octets, 100*time.Millisecond); err != nil || d <= 0 {
			t.Errorf("a round trip of %d octets in %v, %v", octets, d, err)
		}
	}
	times, err := s.steady(ctx, 1000, 500*time.Millisecond)
	if want := 250; err != nil || len(times) < want/2 || len(times) > 2*want {
		t.Errorf("%d exchanges at a steady rate, %v, want about %d", len(times), err, want)
	}
	end, err := s.idle(ctx, 10)
	if err != nil {
		t.Error(err)
	}
	end()
}

func TestPayloadIsAsLongAsItIsToBe(t *testing.T) {
	s := inProcess(t)
	defer s.stop()
	for _, octets := range []int{600, 8000, 60000} {
		all, end, err := s.pairs(context.Background(), 1, octets)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(all[0].payload); got < octets*3/4 || got > octets {
			t.Errorf("the payload of a stanza of %d octets has %d", octets, got)
		}
		end()
	}
}

func TestReportComparesWithTheBest(t *testing.T) {
	r := &run{names: []string{"own", "a", "b"}, samples: map[sample][]float64{}}
	for name, values := range map[string][]float64{"own": {30, 10, 20}, "a": {5, 5, 5}, "b": {8, 10, 12}} {
		for _, v := range values {
			r.add(name, CPUSmall, v)
			r.add(name, TripSmall, v)
		}
	}
	report := r.report()
	for m, want := range map[Measure]float64{CPUSmall: 2, TripSmall: 4} {
		if got, ok := report.Ratio(m); !ok || got != want {
			t.Errorf("%s: the ratio is %v, want %v", m.Name, got, want)
		}
	}
	if _, ok := report.Ratio(Memory); ok {
		t.Error("there is a ratio of what was not measured")
	}
	if text := report.String(); !strings.Contains(text, "20.0 (10.0–30.0)") || !strings.Contains(text, "2.00 ×") {
		t.Errorf("the table is\n%s", text)
	}
}

func TestOthersByName(t *testing.T) {
	for text, ok := range map[string]bool{
		"mine=127.0.0.1:5222": true, "mine=xmpp.dso.example:5222/4711": true,
		"mine": false, "=127.0.0.1:5222": false, "mine=127.0.0.1": false, "mine=127.0.0.1:5222/x": false, "mine=127.0.0.1:5222/-1": false,
	} {
		if o, err := ParseOther(text); (err == nil) != ok {
			t.Errorf("%s is %+v, %v", text, o, err)
		}
	}
	if _, err := newGround(Options{Against: []string{"sendmail"}}); err == nil {
		t.Error("a server that cannot be started is taken")
	}
}
