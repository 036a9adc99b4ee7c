package site

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"busbar.example/secure/audit"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/stanza"
)

// fetch asks a server that names itself host for a page.
func fetch(t *testing.T, address, host, path string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// metricsBroker runs a broker that serves metrics, and gives where.
func metricsBroker(t *testing.T, s *Site) (*brokerRun, string) {
	t.Helper()
	if err := replaceFile(s.Path(FileName), []byte("domain: "+domain+"\nbroker: {metrics: {listen: '127.0.0.1:0'}, rules: [{deny: {from: guest, to: ems}}]}\n")); err != nil {
		t.Fatal(err)
	}
	s, err := Open(s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	b := runBroker(t, s)
	_, st, err := AskBroker(t.Context(), s.Dir)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(st.Listeners, func(l Listening) bool { return l.Purpose == "metrics" })
	if i < 0 {
		t.Fatalf("the broker listens on %v, want metrics among them", st.Listeners)
	}
	return b, st.Listeners[i].Address
}

func TestBrokerTellsItsStatus(t *testing.T) {
	s := newSite(t)
	for _, name := range []string{"ems", "guest"} {
		s.mustIssue(t, name, "VIEWER")
	}
	b, metrics := metricsBroker(t, s)
	ems, guest := b.login("ems"), b.login("guest")
	for range 3 {
		answered := make(chan struct{})
		if _, err := guest.SendIQ(t.Context(), stanza.Stanza{Kind: stanza.IQ, Type: stanza.Get, To: ems.JID(), Payload: []byte("<q xmlns='u:x'/>")},
			func(stanza.Stanza) { close(answered) }); err != nil {
			t.Fatal(err)
		}
		<-answered
	}
	b.write("broker: {metrics: {listen: '127.0.0.1:0'}, max_age: 1h}\nx: 1\n")
	b.await(audit.BrokerReloadRefused, 1)
	text, st, err := AskBroker(t.Context(), b.Dir) // although busbar.yaml is broken
	if err != nil {
		t.Fatal(err)
	}
	if st.Domain != domain || st.State != stateServing || st.PID != os.Getpid() || len(st.Sessions) != 2 || st.Limits.Connections != 4096 || st.Limits.Rules != 1 ||
		st.Totals.Denied != 3 || st.Totals.Refused["forbidden"] != 3 {
		t.Errorf("the status is %s", text)
	}
	if r := st.Reload; r.Refused != 1 || r.Applied != 0 || r.Last == nil || !strings.Contains(r.Error, "there is no field x") || r.Hint == "" {
		t.Errorf("of reading again it says %+v", r)
	}
	first := st.Sessions[0]
	if j := jid.MustParse(first.JID); j.Bare() != jid.MustParse("ems@"+domain) || !strings.HasPrefix(first.Address, "127.0.0.1:") ||
		first.Stream.TLS != "TLS 1.3" || first.Stream.Mechanism != "EXTERNAL" || first.Stream.Certificate == nil || first.Stream.Certificate.Name != "ems@"+domain {
		t.Errorf("of a session it says %+v", first)
	}
	if len(st.Terms) < 3 || st.Terms[0].Stage != "good" {
		t.Errorf("of what has to be renewed it says %+v", st.Terms)
	}
	if !st.Certificate.NotAfter.After(time.Now()) {
		t.Errorf("the broker's certificate is valid until %v", st.Certificate.NotAfter)
	}
	if status, page := fetch(t, metrics, "localhost:1", "/status"); status != http.StatusOK || !strings.Contains(page, `"domain": "`+domain+`"`) {
		t.Errorf("over TCP: %d %s", status, page)
	}
	for path, want := range map[string]string{"/healthz": "ok\n", "/readyz": "serving\n"} {
		if status, page := fetch(t, metrics, metrics, path); status != http.StatusOK || page != want {
			t.Errorf("%s: %d %q, want %q", path, status, page, want)
		}
	}
	if status, page := fetch(t, metrics, "evil.example", "/status"); status != http.StatusMisdirectedRequest || strings.Contains(page, domain) {
		t.Errorf("a page that leads here by another name gets %d %s", status, page)
	}
	if status, _ := fetch(t, metrics, metrics, "/"); status != http.StatusNotFound {
		t.Errorf("/ is there: %d", status)
	}
	b.end()
	if _, _, err := AskBroker(t.Context(), b.Dir); err == nil || !strings.Contains(HintFor(err), "busbar broker") {
		t.Errorf("with the broker ended: %v", err)
	}
	if left, _ := filepath.Glob(b.Path("run", "*")); len(left) != 0 {
		t.Errorf("the broker leaves %v", left)
	}
}

// The exposition is one that Prometheus reads, with names and units by its conventions, and its numbers are those of the broker.
func TestBrokerMetrics(t *testing.T) {
	s := newSite(t)
	s.mustIssue(t, "ems", "VIEWER")
	b, metrics := metricsBroker(t, s)
	b.login("ems")
	_, page := fetch(t, metrics, metrics, "/metrics")
	problems, err := promlint.New(strings.NewReader(page)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewBufferString(page))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{
		"busbar_broker_ready": 1, "busbar_broker_sessions": 1, "busbar_broker_connections": 1, "busbar_broker_connections_max": 4096,
		"busbar_broker_streams_total": 1, "busbar_broker_queue_max_bytes": 1 << 20, "busbar_broker_info": 1, "busbar_broker_stanzas_denied_total": 0,
	} {
		f := families[name]
		if f == nil || len(f.Metric) != 1 {
			t.Errorf("%s is not there once", name)
			continue
		}
		got := f.Metric[0].GetGauge().GetValue() + f.Metric[0].GetCounter().GetValue()
		if got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	for _, name := range []string{"busbar_broker_expiry_timestamp_seconds", "busbar_broker_client_certificate_expiry_timestamp_seconds"} {
		if f := families[name]; f == nil || f.Metric[0].GetGauge().GetValue() < float64(time.Now().Unix()) {
			t.Errorf("%s is %v", name, f)
		}
	}
	for _, name := range []string{"busbar_audit_events_total", "go_goroutines", "process_open_fds"} {
		if families[name] == nil {
			t.Errorf("%s is not there", name)
		}
	}
}

// A status that nobody may ask for does not keep a broker from serving; nor does what a killed one has left.
func TestBrokerStatusSocket(t *testing.T) {
	s := newSite(t)
	if err := os.MkdirAll(s.Path("run"), 0o700); err != nil {
		t.Fatal(err)
	}
	dead := s.Path("run", "broker-DEAD.sock")
	l, err := net.Listen("unix", dead)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	if err := os.WriteFile(s.statusFile(), []byte(dead+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := AskBroker(t.Context(), s.Dir); err == nil || !strings.Contains(HintFor(err), "was it killed") {
		t.Errorf("of a killed broker's socket: %v, hint %q", err, HintFor(err))
	}
	runBroker(t, s)
	if _, err := os.Stat(dead); err == nil {
		t.Error("the socket of a killed broker is still there")
	}
	if _, st, err := AskBroker(t.Context(), s.Dir); err != nil || st.Domain != domain {
		t.Errorf("status: %v, %v", st, err)
	}
	info, err := os.Stat(s.Path("run"))
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("run/ is open to %v, %v", info.Mode(), err)
	}

	long := filepath.Join(t.TempDir(), strings.Repeat("x", 100))
	if err := os.Rename(newSite(t).Dir, long); err != nil {
		t.Fatal(err)
	}
	far, err := Open(long)
	if err != nil {
		t.Fatal(err)
	}
	b := runBroker(t, far)
	_, st, err := AskBroker(t.Context(), long)
	if err != nil || st.Domain != domain {
		t.Errorf("in a folder with a long name: %v, %v", st, err)
	}
	b.end()
	for _, l := range st.Listeners {
		if _, err := os.Stat(filepath.Dir(l.Address)); l.Purpose == "status" && err == nil {
			t.Errorf("%s is left", l.Address)
		}
	}
}
