package site

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"busbar.example/secure/pki"
	"busbar.example/xmpp"
	"busbar.example/xmpp/jid"
)

const domain = "plant.example"

func newSite(t *testing.T) *Site {
	t.Helper()
	s, err := Init(filepath.Join(t.TempDir(), "site"), domain)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *Site) mustIssue(t *testing.T, name string, roles ...string) {
	t.Helper()
	j, err := s.Account(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Issue(j, roles, "", false); err != nil {
		t.Fatal(err)
	}
}

// wantError checks text and hint of an error.
func wantError(t *testing.T, err error, text, hint string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), text) || !strings.Contains(HintFor(err), hint) {
		t.Errorf("error %v, hint %q; want %q, with the hint %q", err, HintFor(err), text, hint)
	}
}

// modes are the permissions of all below dir.
func modes(t *testing.T, dir string) map[string]fs.FileMode {
	t.Helper()
	found := make(map[string]fs.FileMode)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, err = filepath.Rel(dir, name)
		found[filepath.ToSlash(name)] = info.Mode()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestKeysAreClosedToOthers(t *testing.T) {
	s := newSite(t)
	s.mustIssue(t, "pv1")
	s.mustIssue(t, "ems", "ENGINEER")
	keys := 0
	for name, mode := range modes(t, s.Dir) {
		switch {
		case strings.HasSuffix(name, ".key"):
			keys++
			if mode != 0o600 {
				t.Errorf("%s has mode %v, want 0600", name, mode)
			}
		case mode.IsDir() && mode.Perm() != 0o700:
			t.Errorf("%s has mode %v, want 0700", name, mode)
		}
	}
	if want := 4 + 1 + 2*2; keys != want { // CAs, broker, two parties
		t.Errorf("%d keys, want %d", keys, want)
	}
}

func TestInitMakesASiteThatOpens(t *testing.T) {
	empty := t.TempDir()
	before, err := os.Stat(empty)
	if err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"new": filepath.Join(t.TempDir(), "a", "b"), "empty": empty} {
		t.Run(name, func(t *testing.T) {
			made, err := Init(dir, "Plant.Example")
			if err != nil {
				t.Fatal(err)
			}
			opened, err := Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(made, opened, cmp.AllowUnexported(Site{}, jid.JID{}, mmsPeers{}, mmsPeer{}, broker{})); diff != "" {
				t.Errorf("made and opened differ (-made +opened):\n%s", diff)
			}
			if opened.Domain != domain {
				t.Errorf("domain %q, want %q", opened.Domain, domain)
			}
			entries, err := os.ReadDir(filepath.Dir(dir))
			if err != nil || slices.ContainsFunc(entries, isDraft) {
				t.Errorf("drafts are left: %v, %v", entries, err)
			}
			entries, err = os.ReadDir(dir)
			if err != nil || slices.ContainsFunc(entries, isDraft) {
				t.Errorf("drafts are left: %v, %v", entries, err)
			}
		})
	}
	// A folder that is there stays the same: a shell may stand in it.
	if after, err := os.Stat(empty); err != nil || !os.SameFile(before, after) {
		t.Errorf("the empty folder was replaced by another: %v", err)
	}
}

func isDraft(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), ".busbar-init-") }

func TestInitMakesAllOrNothing(t *testing.T) {
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "mine"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, dir, domain, text, hint string
	}{
		{"a folder with something in it", full, domain, "is not empty", "does not exist"},
		{"a file", filepath.Join(full, "mine"), domain, "mine", "does not exist"},
		{"below a file", filepath.Join(full, "mine", "site"), domain, "mine", ""},
		{"no domain", filepath.Join(full, "site"), "", `domain ""`, "DNS name"},
		{"what is no domain", filepath.Join(full, "site"), "a@b", `domain "a@b"`, "DNS name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Init(c.dir, c.domain)
			wantError(t, err, c.text, c.hint)
			if got := modes(t, full); len(got) != 2 {
				t.Errorf("something is left in the folder: %v", got)
			}
		})
	}
}

func TestMovingIntoAnEmptyFolderIsAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	draft := filepath.Join(dir, "draft")
	for _, name := range []string{"a", "b", FileName} {
		if err := os.MkdirAll(filepath.Join(draft, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	to := filepath.Join(dir, "to")
	if err := os.MkdirAll(filepath.Join(to, "b", "full"), 0o700); err != nil { // came in between
		t.Fatal(err)
	}
	if err := moveInto(to, draft); err == nil {
		t.Error("a folder that is in the way is no error")
	}
	if got := modes(t, to); len(got) != 3 {
		t.Errorf("it holds %v, want b/full only", got)
	}
}

func TestConfigIsStrict(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
	}{
		{"an unknown field", "domain: a.example\nclinet: x\n", "line 2: there is no field clinet"},
		{"an unknown field below", "domain: a.example\nbroker:\n  prot: 3\n", "line 3: there is no field prot"},
		{"a field twice", "domain: a.example\ndomain: b.example\n", "line 2"},
		{"two documents", "domain: a.example\n---\ndomain: b.example\n", "more than one document"},
		{"another type", "domain: [a.example]\n", "line 1"},
		{"no YAML", "domain: 'a\n", "yaml"},
		{"no domain", "# nothing\n", "domain"},
		{"nothing", "", "domain"},
		{"what is no domain", "domain: 'a b'\n", "domain"},
		{"far too much", "domain: a.example\n#" + strings.Repeat("x", maxConfigSize) + "\n", "more than 1048576 octets"},
		{"aliases that grow", "a: &a [x,x]\nb: &b [*a,*a]\ndomain: a.example\n", "there is no field a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, FileName), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(dir)
			wantError(t, err, c.want, "")
			if err != nil && (!strings.Contains(err.Error(), filepath.Join(dir, FileName)) || strings.Contains(err.Error(), "\n")) {
				t.Errorf("the error does not name the file in one line: %q", err)
			}
			if err != nil && HintFor(err) == "" && c.name != "far too much" {
				t.Errorf("no hint for %v", err)
			}
		})
	}
}

func TestConfigIsRead(t *testing.T) {
	dir := t.TempDir()
	text := "domain: Plant.Example\nclient: ems\nconnect: 10.0.0.1:5222\nbroker:\n  listen: :5222\n  groups:\n    - name: g\n      members: [pv1, ems]\n"
	if err := os.WriteFile(filepath.Join(dir, FileName), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := Config{Domain: "Plant.Example", Client: "ems", Connect: Addresses{"10.0.0.1:5222"},
		Broker: Broker{Listen: Addresses{":5222"}, Groups: []Group{{Name: "g", Members: []string{"pv1", "ems"}}}}}
	if diff := cmp.Diff(want, s.Config); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
	if groups := s.broker.live.Groups; len(groups) != 1 || len(groups[0].Members) != 2 || groups[0].Members[0].String() != "pv1@"+domain {
		t.Errorf("groups %v", groups)
	}
}

func TestFindLooksUpwards(t *testing.T) {
	s := newSite(t)
	below := s.Path("scl", "deep")
	if err := os.Mkdir(below, 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := Find(below); err != nil || got != s.Dir {
		t.Errorf("Find(%s) = %q, %v; want %q", below, got, err, s.Dir)
	}
	_, err := Find(t.TempDir())
	wantError(t, err, "no busbar.yaml", "--site")
	_, err = Open(t.TempDir())
	wantError(t, err, "is not a site folder", "busbar init")
}

func TestBrokerIsTheFirstThatIsKnown(t *testing.T) {
	s := newSite(t)
	check := func(what, given string, want ...string) {
		t.Helper()
		r, err := s.resolver(given)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		var got []string
		for _, target := range r.Static[domain] {
			got = append(got, target.String())
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	check("the DNS is asked", "")
	s.Config.Connect = Addresses{"10.0.0.1:5222"}
	check("busbar.yaml before SRV", "", "10.0.0.1:5222")
	s.Config.Connect = Addresses{"10.0.0.1:5222", "tls://[2001:db8::1]:443"}
	check("several in busbar.yaml", "", "10.0.0.1:5222", "tls://[2001:db8::1]:443")
	address := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4711}
	if err := s.noteBroker(s.brokerFile(), address); err != nil {
		t.Fatal(err)
	}
	check("a broker that runs here before busbar.yaml", "", "127.0.0.1:4711")
	check("--connect before all", "[::1]:1", "[::1]:1")
	check("several with --connect", "[::1]:1, tls://host:2", "[::1]:1", "tls://host:2")
	forgetBroker(s.brokerFile(), &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1})
	check("the note of another broker stays", "", "127.0.0.1:4711")
	forgetBroker(s.brokerFile(), address)
	check("one's own is removed", "", "10.0.0.1:5222", "tls://[2001:db8::1]:443")
}

func TestConnectIsOneOrSeveral(t *testing.T) {
	for text, want := range map[string]Addresses{
		"connect: 127.0.0.1:5222":           {"127.0.0.1:5222"},
		"connect: [a:1, 'tls://b:2']":       {"a:1", "tls://b:2"},
		"connect:\n- a:1\n- '[::1]:5222'\n": {"a:1", "[::1]:5222"},
	} {
		if got, err := parseConfig([]byte("domain: plant.example\n" + text)); err != nil || !slices.Equal(got.Connect, want) {
			t.Errorf("%s: %q, %v; want %q", text, got.Connect, err, want)
		}
	}
	for text, want := range map[string]string{
		"connect: {a: 1}":      "line 2",
		"connect: [[a]]":       "line 2",
		"connect: host":        `connect: "host"`,
		"connect: [a:1, b:x]":  `connect: "b:x"`,
		"connect: ['ssl://a']": `connect: "ssl://a"`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, FileName), []byte("domain: plant.example\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), want) || HintFor(err) == "" {
			t.Errorf("%s: %v (hint %q); want %q and a hint", text, err, HintFor(err), want)
		}
	}
}

func TestBrokerThatIsNotKnown(t *testing.T) {
	s := newSite(t)
	_, err := s.resolver("nonsense")
	wantError(t, err, `--connect: "nonsense"`, "127.0.0.1:5222")
	_, err = s.resolver("host:1,")
	wantError(t, err, `--connect: ""`, "127.0.0.1:5222")
	if err := os.WriteFile(s.brokerFile(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = s.resolver("")
	wantError(t, err, s.brokerFile(), "127.0.0.1:5222")
}

// What is said names each broker that was tried, and where none is known how to say where it is.
func TestBrokerErrors(t *testing.T) {
	s := newSite(t)
	p := Party{JID: jid.MustParse("pv1@" + domain + "/IEC")}
	refused := &xmpp.NegotiationError{Step: xmpp.StepConnect, Err: syscall.ECONNREFUSED, Target: xmpp.Target{Address: "a:1"}}
	foreign := &xmpp.NegotiationError{Step: xmpp.StepTLS, Err: errors.New("of another domain"), Hint: "look", Target: xmpp.Target{Address: "b:2", Direct: true}}
	static := &xmpp.Resolver{Static: map[string][]xmpp.Target{domain: {refused.Target}}}
	for _, tc := range []struct {
		r    *xmpp.Resolver
		err  error
		text []string
		hint string
	}{
		{static, refused, []string{"pv1@plant.example: broker at a:1: ", "connection refused"}, "nothing listens there"},
		{static, &xmpp.DialError{Tried: []*xmpp.NegotiationError{foreign, foreign}}, []string{"brokers of plant.example: ", "tls://b:2 (tls): of another domain"}, "look"},
		{new(xmpp.Resolver), refused, []string{"no broker runs in ", "none is found by the SRV records of plant.example", "connection refused"}, "--connect HOST:PORT"},
		{new(xmpp.Resolver), &xmpp.NegotiationError{Step: xmpp.StepConnect, Err: xmpp.ErrNotOffered}, []string{"does not offer"}, "--connect HOST:PORT"},
		{new(xmpp.Resolver), foreign, []string{"broker at tls://b:2: "}, "look"},
	} {
		err := s.brokerError(p, tc.r, tc.err)
		for _, text := range tc.text {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%v\nwant it to have %q", err, text)
			}
		}
		if got := HintFor(err); !strings.Contains(got, tc.hint) {
			t.Errorf("%v: hint %q, want one with %q", err, got, tc.hint)
		}
	}
}

func TestAccountsAreOfTheSitesDomain(t *testing.T) {
	s := newSite(t)
	for text, want := range map[string]string{
		"pv1":                     "pv1@plant.example",
		"PV1":                     "pv1@plant.example",
		"pv1/IEC":                 "pv1@plant.example/IEC",
		"pv1@plant.example":       "pv1@plant.example",
		"pv1@PLANT.example/Other": "pv1@plant.example/Other",
	} {
		if got, err := s.Account(text); err != nil || got.String() != want {
			t.Errorf("Account(%q) = %v, %v; want %s", text, got, err, want)
		}
	}
	for text, hint := range map[string]string{
		"":                  "NAME@" + domain,
		"a b":               "NAME@" + domain,
		"@plant.example":    "NAME@" + domain,
		"pv1@other.example": "this site is " + domain,
	} {
		j, err := s.Account(text)
		if err == nil {
			t.Errorf("Account(%q) = %v, want an error", text, j)
			continue
		}
		wantError(t, err, "", hint)
	}
}

func TestAddressesOfPartiesHaveResources(t *testing.T) {
	bare, full := jid.MustParse("pv1@"+domain), jid.MustParse("pv1@"+domain+"/mine")
	if got, err := IED(bare); err != nil || got.Resource() != "IEC" {
		t.Errorf("IED(%v) = %v, %v", bare, got, err)
	}
	first, err := ClientAddress(bare)
	second, err2 := ClientAddress(bare)
	if errors.Join(err, err2) != nil || first == second || !strings.HasPrefix(first.Resource(), "IEC-") || len(first.Resource()) != len("IEC-")+8 {
		t.Errorf("two clients of one account are %v and %v, %v, %v", first, second, err, err2)
	}
	for _, give := range []func(jid.JID) (jid.JID, error){IED, ClientAddress} {
		if got, err := give(full); err != nil || got != full {
			t.Errorf("%v becomes %v, %v", full, got, err)
		}
	}
}

func TestClientThatSpeaks(t *testing.T) {
	s := newSite(t)
	s.mustIssue(t, "pv1") // an IED has no role and is no client
	_, err := s.Client("")
	wantError(t, err, "no client", "pki issue client ems@"+domain)
	check := func(what, given, want string) {
		t.Helper()
		if got, err := s.Client(given); err != nil || got.String() != want {
			t.Errorf("%s: %v, %v; want %s", what, got, err, want)
		}
	}
	s.mustIssue(t, "ems", "OPERATOR")
	check("the only one", "", "ems@"+domain)
	s.mustIssue(t, "guest", "VIEWER")
	_, err = s.Client("")
	wantError(t, err, "several clients", "ems@"+domain+", guest@"+domain)
	s.Config.Client = "guest"
	check("busbar.yaml", "", "guest@"+domain)
	check("--jid before busbar.yaml", "ems", "ems@"+domain)
	s.Config.Client = "x@other.example"
	_, err = s.Client("")
	wantError(t, err, "busbar.yaml: client: x@other.example", domain)
}

func TestIssue(t *testing.T) {
	s := newSite(t)
	ems := jid.MustParse("ems@" + domain + "/ignored")
	if err := s.Issue(ems, []string{"viewer", "ENGINEER"}, "PV*", false); err != nil {
		t.Fatal(err)
	}
	verify := func() (serial string) {
		t.Helper()
		tls, err := s.identity(ems, "tls")
		if err != nil {
			t.Fatal(err)
		}
		end, err := s.identity(ems, "e2e")
		if err != nil {
			t.Fatal(err)
		}
		e2m, err := s.trust(pki.E2M)
		if err != nil {
			t.Fatal(err)
		}
		e2e, err := s.trust(pki.E2E)
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{checkOwn(Party{JID: ems}, "TLS", tls, e2m.VerifyClient), checkOwn(Party{JID: ems}, "E2E", end, e2e.VerifyE2E)} {
			if err != nil {
				t.Error(err)
			}
		}
		return end.Chain[0].SerialNumber.String()
	}
	serial := verify()
	wantError(t, s.Issue(ems, nil, "", false), "ems@"+domain+" has certificates already", "--force")
	if got := verify(); got != serial {
		t.Error("a refused issue has changed the certificate")
	}
	if err := s.Issue(ems, nil, "", true); err != nil {
		t.Fatal(err)
	}
	if got := verify(); got == serial {
		t.Error("the certificate was not replaced")
	}
	wantError(t, s.Issue(jid.MustParse("x@other.example"), nil, "", false), "x@other.example", domain)
	wantError(t, s.Issue(jid.MustParse("x@"+domain), []string{"KING"}, "", false), `"KING"`, "")
	if err := os.Remove(s.Path("pki", "e2e", "issuing.key")); err != nil {
		t.Fatal(err)
	}
	wantError(t, s.Issue(jid.MustParse("x@"+domain), nil, "", false), "E2E", "where `busbar init` was run")
	if diff := cmp.Diff([]string{"ems@" + domain}, s.parties()); diff != "" {
		t.Errorf("what was refused left something (-want +got):\n%s", diff)
	}
	if left, err := filepath.Glob(s.Path("pki", ".issue-*")); err != nil || len(left) > 0 {
		t.Errorf("drafts are left: %v, %v", left, err)
	}
}
