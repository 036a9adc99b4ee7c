package site

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/xmppd"
)

// openBroker opens a site of which busbar.yaml says that of its broker.
func openBroker(t *testing.T, text string) (*Site, error) {
	t.Helper()
	dir := t.TempDir()
	text = "domain: plant.example\nbroker:\n  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
	if err := os.WriteFile(filepath.Join(dir, FileName), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Open(dir)
}

func TestBrokerConfigIsRead(t *testing.T) {
	s, err := openBroker(t, `
listen: [127.0.0.1:5222, "[::1]:5222"]
accounts: [ems, pv*, "*@sub.plant.example"]
groups:
  - {name: g, members: [pv1, ems]}
rules:
  - allow: {between: [ems, "*@utility.example"]}
  - deny: {from: guest, to: "*"}
limits:
  connections: 10
  connections_per_address: 9
  unauthenticated_per_address: 8
  stanza_size: 20000
  queue: 65536
  resources: 3
  rate: -1
  stanzas: 50
  queue_share: 2048
  accounts:
    - {for: pv*, resources: 1, rate: 4096, stanzas: -1}
contacts: 100
slow_readers: drop
max_age: 90m
resume: 20s
drain: 1m
metrics: {listen: "127.0.0.1:0"}`)
	if err != nil {
		t.Fatal(err)
	}
	pattern := func(text string) xmppd.Pattern {
		p, err := xmppd.ParsePattern(text)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	ems, all, guest := pattern("ems@plant.example"), pattern("*@utility.example"), pattern("guest@plant.example")
	want := broker{
		listen: []string{"127.0.0.1:5222", "[::1]:5222"}, contacts: 100, resume: 20 * time.Second, drain: time.Minute, metrics: Metrics{Listen: "127.0.0.1:0"},
		accounts: []xmppd.Pattern{ems, pattern("pv*@plant.example"), pattern("*@sub.plant.example")},
		live: xmppd.Live{
			Groups: []xmppd.Group{{Name: "g", Members: []jid.JID{jid.MustParse("pv1@plant.example"), jid.MustParse("ems@plant.example")}}},
			Rules:  []xmppd.Rule{{From: ems, To: all, Allow: true}, {From: all, To: ems, Allow: true}, {From: guest, To: pattern("*")}},
			Limits: xmppd.Limits{Connections: 10, ConnectionsPerAddress: 9, UnauthenticatedPerAddress: 8, ResourcesPerAccount: 3,
				Rate: -1, Stanzas: 50, QueueShare: 2048,
				Accounts: []xmppd.AccountLimits{{Accounts: pattern("pv*@plant.example"), Resources: 1, Rate: 4096, Stanzas: -1}}},
			Stream: xmpp.Limits{Authenticated: 20000}, QueueSize: 65536, SlowReaders: xmppd.DropForSlowReaders, MaxAge: 90 * time.Minute,
		},
	}
	for account, may := range map[string]bool{"ems@plant.example": true, "pv77@plant.example": true, "guest@plant.example": false} {
		if got := s.broker.live.Allowed(jid.MustParse(account)); got != may {
			t.Errorf("%s may log in: %t, want %t", account, got, may)
		}
	}
	s.broker.live.Allowed = nil
	unexported := cmp.AllowUnexported(broker{}, xmppd.Pattern{}, jid.JID{})
	if diff := cmp.Diff(want, s.broker, unexported); diff != "" {
		t.Errorf("broker (-want +got)\n%s", diff)
	}
	s, err = openBroker(t, "listen: 127.0.0.1:1\ngroups: []")
	if err != nil {
		t.Fatal(err)
	}
	want = broker{listen: []string{"127.0.0.1:1"}, drain: 5 * time.Second, live: xmppd.Live{Groups: []xmppd.Group{}}}
	if diff := cmp.Diff(want, s.broker, unexported); diff != "" {
		t.Errorf("broker of defaults (-want +got)\n%s", diff)
	}
}

// Every mistake is named with its line and field, and with what to do.
func TestBrokerConfigIsStrict(t *testing.T) {
	for _, c := range []struct{ text, want, hint string }{
		{"listen: 5222", `line 3: broker: listen: number 1: listen: "5222" is not HOST:PORT`, "127.0.0.1:5222"},
		{"listen:\n  - 127.0.0.1:1\n  - nowhere", `line 5: broker: listen: number 2: listen: "nowhere" is not`, "127.0.0.1:5222"},
		{"listen: {a: b}", "line 3: what is there is not a list", "see how fields look"},
		{"accounts: [ems, 'a b']", `line 3: broker: accounts: number 2: pattern "a b@plant.example": localpart`, "write an account"},
		{"accounts: [ems/1]", "leave out what follows the slash", "write an account"},
		{"groups:\n  - {name: g, members: [ems, x@other.example]}", "line 4: broker: groups: number 1: members: number 2: x@other.example", "plant.example"},
		{"rules:\n  - allow: {from: ems}", "line 4: broker: rules: number 1: allow: it has from and to, or the two of between", "write for example"},
		{"rules:\n  - {allow: {from: a, to: b}, deny: {from: a, to: b}}", "line 4: broker: rules: number 1: a rule allows or denies", "write for example"},
		{"rules: [{}]", "line 3: broker: rules: number 1: a rule allows or denies", "write for example"},
		{"rules:\n  - deny: {between: [a]}", "line 4: broker: rules: number 1: deny: it has", "write for example"},
		{"rules:\n  - deny: {between: [a, b], from: c}", "line 4: broker: rules: number 1: deny: it has", "write for example"},
		{"rules:\n  - deny:\n      from: a\n      to: '*@*x'", `line 6: broker: rules: number 1: deny: to: pattern "*@*x"`, "write an account"},
		{"rules:\n  - alow: {from: a, to: b}", "line 4: there is no field alow", "its fields are allow, deny;"},
		{"limits: {connections: -5}", "line 3: broker: limits: connections: -5 is not 1 to 1048576", "octets"},
		{"limits: {stanza_size: 1000}", "line 3: broker: limits: stanza_size: 1000 is not 10000 to", "octets"},
		{"limits: {queue: -1}", "line 3: broker: limits: queue", "octets"},
		{"limits: {resources: -1}", "line 3: broker: limits: resources", "octets"},
		{"limits:\n  accounts:\n    - {for: 'pv*', rate: 5}", "line 5: broker: limits: accounts: number 1: rate: 5 is not", "octets"},
		{"limits:\n  accounts:\n    - {rate: 5000}", `line 5: broker: limits: accounts: number 1: for: pattern "`, "write an account"},
		{"slow_readers: kill", `line 3: broker: slow_readers: "kill" is neither cut nor drop`, "cut ends"},
		{"contacts: -1", "line 3: broker: contacts: -1 is not 0 to 100000", "how many"},
		{"max_age: 48h", "line 3: broker: max_age: 48h0m0s is not 1m0s to 24h0m0s", "write for example"},
		{"resume: 2h", "line 3: broker: resume: 2h0m0s is not 1s to 1h0m0s", "write for example"},
		{"max_age: never", "line 3: `never` is not a time such as 90s", "see how fields look"},
		{"drain: 5", "line 3: `5` is not a time such as 90s", "see how fields look"},
		{"limits: {queue: much, prot: 1}", "there is no field prot", "its fields are connections, connections_per_address, unauthenticated_per_address, stanza_size, queue, resources, rate, stanzas, queue_share, accounts;"},
		{"drain: 5ms", "line 3: broker: drain: 5ms is not 1s to 1h0m0s", "write for example"},
		{"metrics: {listen: 0.0.0.0:9464}", "line 3: broker: metrics: listen: 0.0.0.0:9464 is no loopback address", "allow_remote: true"},
		{"metrics: {listen: 'broker.plant.example:9464'}", "is no loopback address", "allow_remote: true"},
		{"metrics: {listen: ':9464'}", "is no loopback address", "allow_remote: true"},
		{"metrics: {listen: x}", "line 3: broker: metrics: listen", "127.0.0.1"},
	} {
		_, err := openBroker(t, c.text)
		wantError(t, err, c.want, c.hint)
		if err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the error has several lines: %q", c.text, err)
		}
	}
	for _, text := range []string{"metrics: {listen: 'localhost:0'}", "metrics: {listen: '[::1]:0'}", "metrics: {listen: '0.0.0.0:1', allow_remote: true}", "max_age: 24h"} {
		if _, err := openBroker(t, text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// The fields that `busbar init` shows as comments are what they are said to be: without the marks the file is read.
func TestTheCommentsOfANewSiteAreTrue(t *testing.T) {
	var text strings.Builder
	for line := range strings.Lines(configTemplate) {
		if rest, found := strings.CutPrefix(line, "# "); found && (strings.HasPrefix(rest, " ") || strings.HasPrefix(rest, "broker:")) {
			line = rest
		} else if found {
			continue
		}
		text.WriteString(line)
	}
	_, after, _ := strings.Cut(text.String(), "\nbroker:\n")
	if _, err := openBroker(t, strings.ReplaceAll(after, "\n  ", "\n")); err != nil {
		t.Errorf("%v, of\n%s", err, after)
	}
}
