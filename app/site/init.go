package site

import (
	"cmp"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"busbar.example/secure/pki"
	"busbar.example/xmpp/jid"
)

// Init makes the site folder dir for domain: busbar.yaml, the two separate hierarchies of certification
// authorities (E2M for TLS, E2E for the associations) with their revocation lists, and the broker's
// certificate. The folder must not exist or be empty. All of it is made or nothing.
func Init(dir, domain string) (*Site, error) {
	name, err := jid.New("", domain, "")
	if err != nil {
		return nil, Hint(fmt.Errorf("domain %q: %w", domain, err), "give a DNS name such as dso.example")
	}
	err = newFolder(dir, func(draft string) error {
		s := &Site{Dir: draft, Domain: name.Domain(), jid: name}
		return s.fill()
	})
	if err != nil {
		return nil, err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	return Open(dir)
}

// newFolder makes a site folder that fill has filled, or nothing. The folder must not exist or be empty; busbar.yaml, which
// makes a folder a site, comes last.
func newFolder(dir string, fill func(draft string) error) error {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	exists, err := isEmpty(dir)
	if err != nil {
		return err
	}
	// An empty folder stays the one that it is: it may be where the user stands, or a mount point.
	beside := dir
	if !exists {
		beside = filepath.Dir(dir)
		if err := os.MkdirAll(beside, 0o755); err != nil {
			return Hint(fmt.Errorf("%s cannot be made: %w", dir, err), "choose a folder that this user may write to")
		}
	}
	draft, err := os.MkdirTemp(beside, ".busbar-new-")
	if err != nil {
		return Hint(fmt.Errorf("%s cannot be made: %w", dir, err), "choose a folder that this user may write to")
	}
	defer os.RemoveAll(draft)
	if err := fill(draft); err != nil {
		return err
	}
	if exists {
		return moveInto(dir, draft)
	}
	return os.Rename(draft, dir)
}

// isEmpty reports whether dir exists; one that holds something is an error.
func isEmpty(dir string) (exists bool, err error) {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, Hint(err, "name a folder that does not exist yet")
	case len(entries) > 0:
		return false, Hint(fmt.Errorf("%s is not empty", dir), "name a folder that does not exist yet")
	}
	return true, nil
}

// moveInto moves what draft holds into dir, busbar.yaml last, or nothing.
func moveInto(dir, draft string) error {
	entries, err := os.ReadDir(draft)
	if err != nil {
		return err
	}
	slices.SortStableFunc(entries, func(a, b fs.DirEntry) int {
		return cmp.Compare(strings.Count(a.Name(), FileName), strings.Count(b.Name(), FileName))
	})
	for i, e := range entries {
		if err := os.Rename(filepath.Join(draft, e.Name()), filepath.Join(dir, e.Name())); err != nil {
			for _, moved := range entries[:i] {
				os.RemoveAll(filepath.Join(dir, moved.Name()))
			}
			return err
		}
	}
	return nil
}

// folders are those of a site beside pki.
var folders = []string{"scl", "audit", "run", "state"}

// fill writes everything that a new site holds.
func (s *Site) fill() error {
	for _, sub := range folders {
		if err := os.Mkdir(s.Path(sub), 0o700); err != nil {
			return err
		}
	}
	for _, h := range []pki.Hierarchy{pki.E2M, pki.E2E} {
		if err := s.newHierarchy(h); err != nil {
			return err
		}
	}
	ca, err := s.loadCA(pki.E2M, "issuing")
	if err != nil {
		return err
	}
	server, err := ca.IssueServer(s.jid.ASCIIDomain())
	if err != nil {
		return err
	}
	if err := s.save(server, "broker", "tls"); err != nil {
		return err
	}
	text := fmt.Sprintf(configTemplate, s.Domain, s.Domain, s.Domain)
	return os.WriteFile(s.Path(FileName), []byte(text), 0o644)
}

const configTemplate = `# A Busbar site. Every field but domain may be left out.
domain: %s

# Who client commands speak as; default: the only client issued here.
# client: ems@%s

# Where the broker is, if it does not run in this folder; default: as the SRV record of the domain says.
# connect: 127.0.0.1:5222
# connect: [node1.example:5222, "tls://node2.example:5223"]

# Log in by password even where that broker cannot tie the login to the TLS connection (Prosody 0.12, ejabberd 23.01).
# allow_unbound: true

# The largest PDU that an IED or a client here takes, in octets; default 65000.
# max_pdu: 65000

# How associations are protected between client and IED: encr, clear (readable on the way) or off; both ends alike.
# The algorithms are those that this end agrees to, preferred first; of those listed, the ones of the mode count.
# e2e:
#   mode: encr
#   algorithms: [aes-256-gcm, aes-128-gcm]

# Where e2e is off nothing proves who a peer is: an IED then gives these roles to whom the broker names, and none to
# anybody else.
# unprotected:
#   roles:
#     ems: [VIEWER]

# Who may do what over IEC 61850-8-1 (busbar ied --listen-mms): by certificate (a name in it, or its SHA-256 fingerprint),
# password or address, all that is given; the first that fits. Who fits none is refused, or gets the roles of anonymous.
# mms:
#   peers:
#     - {name: ems, certificate: ems@%s, roles: [OPERATOR]}
#     - {name: scada, password_file: pki/scada.password, address: 10.0.0.0/8, roles: [VIEWER], aor: PV*}
#   anonymous: [VIEWER]

# How many clients an IED here takes at once over each mapping (default: as its SCL file says, else 256), and how much it keeps, in
# octets: each report control block, each log, and the file in state/ in which all that outlives it. One account uses or reserves
# so many report control blocks at once (default: half of them, at least 8; all where it
# may control or configure), and keeps one for so long while it is away.
# ied:
#   associations: 8
#   reports_per_account: 32
#   reservation: 1h
#   report_buffer: 1048576
#   log_size: 8388608
#   state_size: 1073741824

# Whom the parties here trust, where that is not the site's own authority alone, and how they learn what is revoked. Lists and
# responders are asked over http; of what certificates name, only the hosts that are listed.
# trust:
#   fail_closed: true              # refuse whom nobody says not to be revoked; default: warn
#   hosts: [pki.plant.example]
#   e2m: {roots: [pki/e2m/root.crt, pki/new-root.crt], crls: [pki/e2m-root.crl, "http://pki.plant.example/e2m.crl"], ocsp: "http://ocsp.plant.example/"}
#   e2e: {white_list: [pki/pv1@plant.example/e2e.crt]}

# Other domains whose parties are talked to: who vouches for its broker (e2m) and for its parties (e2e), each for that domain
# only; the roles that its certificates may bring here; where its broker listens for others (default: as its SRV record says).
# domains:
#   utility.example:
#     connect: [192.0.2.7:5269]
#     e2m: {roots: [pki/utility.example/e2m.crt], crls: [pki/utility.example/e2m.crl]}
#     e2e: {roots: [pki/utility.example/e2e.crt], crls: [pki/utility.example/e2e.crl], roles: [OPERATOR]}

# How the broker serves the domain. It acts on changes while it runs, but for those of listen, contacts, resume, s2s and metrics; see docs/operating.md.
# broker:
#   listen: 127.0.0.1:5222  # or a list
#   accounts: [ems, "pv*"]  # who may log in, of those whose certificate or password is valid; default: all of them
#   groups:                 # who sees whose presence; default: all accounts each other's
#     - name: plant
#       members: [pv1, ems]
#   contacts: 0             # that an account may add to those, if they agree; kept until the broker ends
#   rules:                  # who may send to whom: the first that fits; default: all within the domain, nobody across domains
#     - deny: {from: guest, to: "*"}
#     - allow: {between: [ems, "*@*.plant.example"]}
#   limits:                 # sizes are in octets, rates in a second, and these are the defaults; -1: no bound
#     connections: 4096
#     connections_per_address: 1024
#     unauthenticated_per_address: 128
#     stanza_size: 262144
#     queue: 1048576        # what may wait for a client that reads slowly
#     queue_share: 524288   # of it, for one account
#     resources: 16         # of one account
#     rate: 33554432        # octets of one account, a stanza counting for 256 more
#     stanzas: -1           # of one account
#     accounts:             # others for certain accounts: the first that fits
#       - {for: "pv*", resources: 1, stanzas: 200}
#   slow_readers: cut       # or drop: throw away what others send them unasked
#   resume: 60s             # how long a session whose connection has broken may be taken up over another
#   max_age: 12h            # of a stream, which then has to show its certificate again
#   drain: 5s               # how long clients have to take what is queued when the broker ends
#   s2s:                    # with the brokers of the domains above that have e2m roots; see docs/federation.md
#     listen: 0.0.0.0:5269  # or a list; default: nowhere, and then they cannot answer
#     queue: 4194304        # octets that may wait for one of them
#     wait: 10s             # how long something waits for one that is away
#     idle: 10m             # after which a stream that nobody uses is closed
#   metrics: {listen: "127.0.0.1:9464"}  # /metrics for Prometheus, /healthz, /readyz, /status; default: nowhere
`

func (s *Site) newHierarchy(h pki.Hierarchy) error {
	folder := folderOf(h)
	if err := os.MkdirAll(s.Path("pki", folder), 0o700); err != nil {
		return err
	}
	root, err := pki.NewRoot(h, s.Domain)
	if err != nil {
		return err
	}
	issuing, err := root.NewIssuing()
	if err != nil {
		return err
	}
	for name, ca := range map[string]*pki.CA{"root": root, "issuing": issuing} {
		if err := ca.Save(s.Path("pki", folder, name+".crt"), s.Path("pki", folder, name+".key")); err != nil {
			return err
		}
		if err := ca.WriteCRL(s.crlFile(h, name)); err != nil {
			return err
		}
	}
	return nil
}

func folderOf(h pki.Hierarchy) string {
	if h == pki.E2M {
		return "e2m"
	}
	return "e2e"
}

// crlFile is where the revocation list of a CA lies.
func (s *Site) crlFile(h pki.Hierarchy, ca string) string {
	return s.Path("pki", folderOf(h)+"-"+ca+".crl")
}

func (s *Site) loadCA(h pki.Hierarchy, name string) (*pki.CA, error) {
	key := s.Path("pki", folderOf(h), name+".key")
	ca, err := pki.LoadCA(s.Path("pki", folderOf(h), name+".crt"), key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Hint(fmt.Errorf("%s does not hold the key of the %s authority (%s)", s.Dir, h, filepath.Base(key)),
			"issue certificates where `busbar init` was run: copies of the site elsewhere do without the CA keys")
	}
	return ca, err
}

// save writes an identity as pki/WHOSE/NAME.{crt,key}.
func (s *Site) save(id *pki.Identity, whose, name string) error {
	if err := os.MkdirAll(s.Path("pki", whose), 0o700); err != nil {
		return err
	}
	return id.Save(s.Path("pki", whose, name+".crt"), s.Path("pki", whose, name+".key"))
}

// Certificate reads the first certificate of a PEM file.
func Certificate(text []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("no certificate in PEM form")
	}
	return x509.ParseCertificate(block.Bytes)
}

// CertificateName names the holder of a certificate for people: by JID or domain, as verification does, else by its
// subject.
func CertificateName(c *x509.Certificate) string { return pki.Name(c) }
