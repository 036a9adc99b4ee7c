package site

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"busbar.example/secure/pki"
)

// Trust says whom the parties of the site trust, and how they learn what is revoked.
type Trust struct {
	E2M Anchors `yaml:"e2m,omitempty"` // default: the site's own authority for TLS
	E2E Anchors `yaml:"e2e,omitempty"` // default: the site's own authority for end-to-end security

	// FailClosed refuses a certificate of whose revocation nothing current is known. Otherwise that is a warning.
	FailClosed bool          `yaml:"fail_closed,omitempty"`
	Hosts      []string      `yaml:"hosts,omitempty"`   // whose URLs in verified certificates are followed; default: none
	Refresh    time.Duration `yaml:"refresh,omitempty"` // how long a fetched list or answer is gone by; default 1h, at most 24h
	Wait       time.Duration `yaml:"wait,omitempty"`    // how long a handshake waits for the network; default 2s; -1s: not at all
}

// Anchors are files with root certificates, and what tells of revocation below them. Files lie in the site folder, where
// a name is no absolute path.
type Anchors struct {
	Roots     []string `yaml:"roots,omitempty"`
	WhiteList []string `yaml:"white_list,omitempty"` // files with peers' own certificates, in place of roots: nobody else is trusted
	CRLs      []string `yaml:"crls,omitempty"`       // files, or URLs http://…
	OCSP      string   `yaml:"ocsp,omitempty"`       // URL of the responder that is asked about every certificate
}

// maxRefresh is how long revocation may go without another look. IEC 62351-3.
const maxRefresh = 24 * time.Hour

func (t Trust) check() error {
	switch {
	case t.Refresh < 0 || t.Refresh > maxRefresh:
		return at(Hint(fmt.Errorf("%v is not between 0 and %v", t.Refresh, maxRefresh), "leave it out for 1h"), "refresh")
	case t.Wait > time.Minute:
		return at(Hint(fmt.Errorf("%v is longer than a minute", t.Wait), "leave it out for 2s"), "wait")
	}
	for name, a := range map[string]Anchors{"e2m": t.E2M, "e2e": t.E2E} {
		if err := a.check(); err != nil {
			return at(err, name)
		}
	}
	return nil
}

func (a Anchors) check() error {
	if len(a.Roots) > 0 && len(a.WhiteList) > 0 {
		return at(Hint(errors.New("roots and a white list are both given"), "a white list trusts nobody else: leave one of them out"), "white_list")
	}
	if a.OCSP != "" && !isURL(a.OCSP) {
		return at(Hint(fmt.Errorf("%q is not a URL http://HOST/…", a.OCSP), "give the address of the responder"), "ocsp")
	}
	return nil
}

// isURL tells a URL from the name of a file.
func isURL(text string) bool { return strings.Contains(text, "://") }

// none reports whether nobody is said to vouch.
func (a Anchors) none() bool { return len(a.Roots)+len(a.WhiteList) == 0 }

// sources is what a is made of, by the rules of the site.
func (s *Site) sources(a Anchors) pki.Sources {
	t := s.Config.Trust
	src := pki.Sources{Anchors: s.files(a.Roots), FailClosed: t.FailClosed,
		Online: pki.Online{OCSP: a.OCSP, Hosts: t.Hosts, Every: t.Refresh, Wait: t.Wait}}
	if len(a.WhiteList) > 0 {
		src.Anchors, src.WhiteList = s.files(a.WhiteList), true
	}
	for _, crl := range a.CRLs {
		if isURL(crl) {
			src.Online.CRLs = append(src.Online.CRLs, crl)
		} else {
			src.CRLs = append(src.CRLs, s.files([]string{crl})...)
		}
	}
	return src
}

// trustSources is whom the site trusts in a hierarchy: its own authority, where busbar.yaml says nothing else.
func (s *Site) trustSources(h pki.Hierarchy) pki.Sources {
	a := s.Config.Trust.E2M
	if h == pki.E2E {
		a = s.Config.Trust.E2E
	}
	own := a.none()
	if own {
		a.Roots = []string{filepath.Join("pki", folderOf(h), "root.crt")}
	}
	src := s.sources(a)
	if own && len(src.CRLs) == 0 {
		src.CRLs = []string{s.crlFile(h, "root"), s.crlFile(h, "issuing")}
	}
	return src
}

// trust is whom the site trusts in a hierarchy.
func (s *Site) trust(h pki.Hierarchy) (*pki.Trust, error) {
	trust, err := pki.OpenTrust(s.trustSources(h))
	if err != nil {
		return nil, trustError(h, err)
	}
	return trust, nil
}

func trustError(h pki.Hierarchy, err error) error {
	return Hint(fmt.Errorf("%s trust: %w", h, err), "`busbar init` makes the root certificate and the revocation lists; a copy of the site needs them too, or others that trust in "+FileName+" names")
}

// mmsSources is whom an IED trusts over TCP, and whom its clients do: as for TLS, and the roots that are said of MMS.
func (s *Site) mmsSources() (pki.Sources, error) {
	src := s.trustSources(pki.E2M)
	for _, file := range s.files(s.Config.MMS.Roots) {
		if _, err := os.Stat(file); err != nil {
			return src, Hint(fmt.Errorf("%s: mms: roots: %w", FileName, err), "name files with root certificates in PEM form")
		}
		src.Anchors = append(src.Anchors, file)
	}
	return src, nil
}

// mmsTrust is the trust in mmsSources.
func (s *Site) mmsTrust() (*pki.Trust, error) {
	src, err := s.mmsSources()
	if err != nil {
		return nil, err
	}
	return pki.OpenTrust(src)
}

// sourceFiles are the files of which a trust is made.
func sourceFiles(src pki.Sources) []string { return slices.Concat(src.Anchors, src.CRLs) }
