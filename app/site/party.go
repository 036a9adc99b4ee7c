package site

import (
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"time"

	"busbar.example/secure/pki"
	"busbar.example/secure/rbac"
	"busbar.example/xmpp/jid"
)

// Resource is the resourcepart of every IED. IEC 61850-8-2, addressing.
const Resource = "IEC"

// Account reads a JID as users write it: NAME, NAME@DOMAIN or a full JID. It must be of the site's domain.
func (s *Site) Account(text string) (jid.JID, error) {
	if !strings.Contains(text, "@") {
		name, resource, full := strings.Cut(text, "/")
		text = name + "@" + s.Domain
		if full {
			text += "/" + resource
		}
	}
	j, err := jid.Parse(text)
	if err != nil {
		return jid.JID{}, Hint(err, "a JID is written NAME@"+s.Domain)
	}
	if j.Domain() != s.Domain {
		return jid.JID{}, s.otherDomain(j)
	}
	return j, nil
}

func (s *Site) otherDomain(j jid.JID) error {
	return Hint(fmt.Errorf("%v is not of this site's domain", j), "this site is "+s.Domain+": use NAME@"+s.Domain)
}

// IED gives j the resource of an IED where it has none.
func IED(j jid.JID) (jid.JID, error) {
	if j.IsFull() {
		return j, nil
	}
	return j.WithResource(Resource)
}

// Issue makes the TLS and E2E keys and certificates of j, all of them or none, with roles such as VIEWER in the E2E
// certificate, for the logical devices that the pattern aor covers ("" is all). It replaces what is there only
// when told to; what else is in the folder of j, such as its certificate for MMS, stays. An IED has no role.
//
// IEC 62351-8.
func (s *Site) Issue(j jid.JID, roles []string, aor string, replace bool) error {
	j = j.Bare()
	if j.Domain() != s.Domain {
		return s.otherDomain(j)
	}
	var policy *rbac.Policy // the default one
	var grants []rbac.Grant
	for _, name := range roles {
		role, err := rbac.ParseRole(strings.ToUpper(name))
		if err != nil {
			return err
		}
		grants = append(grants, policy.NewGrant(role, aor))
	}
	if _, err := os.Stat(s.Path("pki", j.String())); err == nil && !replace {
		return s.issuedAlready(j)
	}
	e2m, err := s.loadCA(pki.E2M, "issuing")
	if err != nil {
		return err
	}
	e2e, err := s.loadCA(pki.E2E, "issuing")
	if err != nil {
		return err
	}
	tls, err := e2m.IssueClientTLS(j.String())
	if err != nil {
		return err
	}
	end, err := e2e.IssueE2E(j.String(), grants)
	if err != nil {
		return err
	}
	return s.keep(j, tls, end, replace)
}

func (s *Site) issuedAlready(j jid.JID) error {
	return Hint(fmt.Errorf("%v has certificates already", j), "see them with `busbar pki show "+
		s.partyFile(j, "e2e", "crt")+"`, or replace them with --force")
}

// keep puts both identities of j into its folder, which is never there with one of them only.
func (s *Site) keep(j jid.JID, tls, end *pki.Identity, replace bool) error {
	draft, err := os.MkdirTemp(s.Path("pki"), ".issue-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(draft)
	fresh, old := filepath.Join(draft, "new"), filepath.Join(draft, "old")
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return err
	}
	for name, id := range map[string]*pki.Identity{"tls": tls, "e2e": end} {
		if err := id.Save(filepath.Join(fresh, name+".crt"), filepath.Join(fresh, name+".key")); err != nil {
			return err
		}
	}
	folder := s.Path("pki", j.String())
	if replace {
		if err := keepOthers(folder, fresh); err != nil {
			return err
		}
		if err := os.Rename(folder, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	err = os.Rename(fresh, folder)
	if errors.Is(err, fs.ErrExist) {
		return s.issuedAlready(j)
	}
	return err
}

// keepOthers copies the files of a folder, which need not be there, into one that is to take its place and has some of its own.
func keepOthers(from, to string) error {
	files, err := os.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, f := range files {
		if !f.Type().IsRegular() {
			continue
		}
		err = errors.Join(err, keepOther(filepath.Join(from, f.Name()), filepath.Join(to, f.Name())))
	}
	return err
}

func keepOther(from, to string) error {
	old, err := os.Open(from)
	if err != nil {
		return err
	}
	defer old.Close()
	about, err := old.Stat()
	if err != nil {
		return err
	}
	copied, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, about.Mode().Perm())
	if errors.Is(err, fs.ErrExist) {
		return nil // it has been made anew
	}
	if err != nil {
		return err
	}
	_, err = io.Copy(copied, old)
	return errors.Join(err, copied.Close())
}

func (s *Site) partyFile(j jid.JID, name, ext string) string {
	return s.Path("pki", j.Bare().String(), name+"."+ext)
}

// identity reads the TLS or E2E identity of j.
func (s *Site) identity(j jid.JID, name string) (*pki.Identity, error) {
	id, err := pki.LoadIdentity(s.partyFile(j, name, "crt"), s.partyFile(j, name, "key"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		hint := "issue one with `busbar pki issue ied|client " + j.Bare().String() + "`"
		if known := s.parties(); len(known) > 0 {
			hint += "; this site has " + strings.Join(known, ", ")
		}
		return nil, Hint(fmt.Errorf("%v has no %s certificate and key in %s", j.Bare(), strings.ToUpper(name), s.Path("pki")), hint)
	case err != nil:
		return nil, keyHint(fmt.Errorf("%v: %w", j.Bare(), err))
	}
	return id, nil
}

// keyHint adds to an error of reading keys and certificates what can be done about any of them.
func keyHint(err error) error {
	return Hint(err, "both files must be readable to this user, the key to nobody else; or issue them anew")
}

// checkOwn holds the party's own TLS or E2E certificate against the rules that its peers hold it against: they would
// say no more than that it is refused.
func checkOwn(p Party, name string, id *pki.Identity, verify func([]*x509.Certificate, time.Time) (*pki.Verified, error)) error {
	own := p.JID.Bare()
	v, err := verify(id.Chain, time.Now())
	if err != nil {
		return fmt.Errorf("%v: own %s %w", own, name, err)
	}
	if !slices.Contains(v.XMPPAddrs(), own.String()) {
		return Hint(fmt.Errorf("%v: own %s certificate is that of %s, not of %v", own, name, pki.Name(v.Leaf()), own),
			"put back the files that were issued for this account, or issue them anew")
	}
	return nil
}

// parties lists the JIDs that certificates have been issued to here.
func (s *Site) parties() []string {
	entries, err := os.ReadDir(s.Path("pki"))
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && strings.Contains(e.Name(), "@") {
			names = append(names, e.Name())
		}
	}
	sort.Strings(names)
	return names
}

// clients lists the parties that hold a role, which IEDs do not.
func (s *Site) clients() []jid.JID {
	var clients []jid.JID
	for _, name := range s.parties() {
		j, err := jid.Parse(name)
		if err != nil {
			continue
		}
		if s.hasRole(j) {
			clients = append(clients, j)
		}
	}
	return clients
}

func (s *Site) hasRole(j jid.JID) bool {
	text, err := os.ReadFile(s.partyFile(j, "e2e", "crt"))
	if err != nil {
		return false
	}
	found, err := pki.Describe(text, time.Now())
	return err == nil && len(found) > 0 && len(found[0].Roles) > 0
}

// Client is who a client command speaks as: the JID given, else the one in busbar.yaml, else the only
// client issued here.
func (s *Site) Client(given string) (jid.JID, error) {
	if given != "" {
		return s.Account(given)
	}
	if s.Config.Client != "" {
		j, err := s.Account(s.Config.Client)
		if err != nil {
			err = fmt.Errorf("%s: client: %w", FileName, err)
		}
		return j, err
	}
	switch clients := s.clients(); len(clients) {
	case 0:
		return jid.JID{}, Hint(errors.New("this site has no client"), "issue one with `busbar pki issue client ems@"+s.Domain+" --role OPERATOR`")
	case 1:
		return clients[0], nil
	default:
		names := make([]string, len(clients))
		for i, c := range clients {
			names[i] = c.String()
		}
		return jid.JID{}, Hint(errors.New("this site has several clients"), "choose one with --jid: "+strings.Join(names, ", "))
	}
}

// dialler is who j is where it asks for an association: a resource is added, and where j is zero, it is the site's client.
func (s *Site) dialler(j jid.JID) (jid.JID, error) {
	if j.IsZero() {
		var err error
		if j, err = s.Client(""); err != nil {
			return j, err
		}
	}
	return ClientAddress(j)
}

// ClientAddress gives j a resource of its own where it has none, so that two commands may use one account
// at once.
func ClientAddress(j jid.JID) (jid.JID, error) {
	if j.IsFull() {
		return j, nil
	}
	var b [4]byte
	rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	return j.WithResource(fmt.Sprintf("%s-%x", Resource, b))
}
