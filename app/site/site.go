// Package site is a site folder: busbar.yaml, keys and certificates, models and run-time files, turned
// into the configurations of the packages that do the work.
package site

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"

	"go.yaml.in/yaml/v4"

	"busbar.example/mms/assoc"
	"busbar.example/secure/rbac"
	"busbar.example/xmpp/jid"
)

// FileName is the file that makes a folder a site.
const FileName = "busbar.yaml"

// Site is a site folder that has been read.
type Site struct {
	Dir    string
	Domain string // of the XMPP server and of every JID issued here
	Config Config

	jid         jid.JID // of the domain
	e2e         E2E
	mms         mmsPeers
	broker      broker
	domains     map[string]neighbour
	unprotected map[jid.JID][]rbac.Grant // by bare JID: the roles where end-to-end security is off
}

// Config is the content of busbar.yaml. Unknown fields are refused.
type Config struct {
	Domain  string    `yaml:"domain"`
	Client  string    `yaml:"client,omitempty"`  // the JID that client commands use, where --jid is not given
	Connect Addresses `yaml:"connect,omitempty"` // of the domain's brokers, where none runs in this folder; default: as its SRV records say
	// AllowUnbound lets parties log in by password at a broker that offers no channel binding that they know.
	AllowUnbound bool `yaml:"allow_unbound,omitempty"`
	MaxPDU       int  `yaml:"max_pdu,omitempty"` // octets of the largest PDU that is taken; default 65000

	E2E         Protection  `yaml:"e2e,omitempty"`
	Unprotected Unprotected `yaml:"unprotected,omitempty"`
	Broker      Broker      `yaml:"broker,omitempty"`
	Trust       Trust       `yaml:"trust,omitempty"`
	// Domains are the other ones whose parties are talked to, by name.
	Domains map[string]Domain `yaml:"domains,omitempty"`
	MMS     MMS               `yaml:"mms,omitempty"`
	IED     IEDs              `yaml:"ied,omitempty"`
}

// Protection says how associations are protected end to end, where --e2e and --e2e-algorithms do not.
type Protection struct {
	Mode       string   `yaml:"mode,omitempty"`       // encr, clear or off; default encr
	Algorithms []string `yaml:"algorithms,omitempty"` // preferred first; those of the mode count
}

// Unprotected says who may do what where end-to-end security is off.
type Unprotected struct {
	Roles map[string][]string `yaml:"roles,omitempty"` // by account
}

// maxConfigSize bounds busbar.yaml, in octets.
const maxConfigSize = 1 << 20

// Find gives the nearest folder from dir upwards that holds busbar.yaml.
func Find(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for at := abs; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, FileName)); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", Hint(fmt.Errorf("no %s in %s or above it", FileName, abs),
				"name the site with --site DIR, or make one with `busbar init DIR --domain DOMAIN`")
		}
	}
}

// Open reads the site folder dir.
func Open(dir string) (*Site, error) {
	name := filepath.Join(dir, FileName)
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Hint(fmt.Errorf("%s is not a site folder: it holds no %s", dir, FileName),
			"make one with `busbar init DIR --domain DOMAIN`")
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfigSize+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(text) > maxConfigSize {
		return nil, fmt.Errorf("%s: more than %d octets", name, maxConfigSize)
	}
	cfg, err := parseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	domain, err := jid.New("", cfg.Domain, "")
	if err != nil {
		return nil, Hint(fmt.Errorf("%s: domain: %w", name, err), "give the DNS name that follows the @ of your JIDs")
	}
	opened := &Site{Dir: dir, Domain: domain.Domain(), Config: cfg, jid: domain}
	if err := opened.parse(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, located(err, text))
	}
	return opened, nil
}

// The bounds of max_pdu, in octets.
const minPDU, maxPDU = assoc.MinPDU, 512 << 10

// parse makes sense of the fields that are more than text.
func (s *Site) parse() error {
	c := s.Config
	if c.MaxPDU != 0 && (c.MaxPDU < minPDU || c.MaxPDU > maxPDU) {
		return Hint(fmt.Errorf("max_pdu: %d octets are not %d to %d", c.MaxPDU, minPDU, maxPDU), "leave it out for 65000, or choose another number")
	}
	_, err := c.Connect.targets("connect")
	if err != nil {
		return err
	}
	if s.e2e, err = ParseE2E(c.E2E.Mode, c.E2E.Algorithms); err != nil {
		return fmt.Errorf("e2e: %w", err)
	}
	if s.unprotected, err = s.parseUnprotected(c.Unprotected.Roles); err != nil {
		return fmt.Errorf("unprotected: roles: %w", err)
	}
	if s.mms, err = s.parseMMS(c.MMS); err != nil {
		return fmt.Errorf("mms: %w", err)
	}
	if s.domains, err = s.parseDomains(c.Domains); err != nil {
		return fmt.Errorf("domains: %w", err)
	}
	if s.broker, err = s.parseBroker(c.Broker); err != nil {
		return at(err, "broker")
	}
	if err := c.Trust.check(); err != nil {
		return at(err, "trust")
	}
	if err := c.IED.check(); err != nil {
		return fmt.Errorf("ied: %w", err)
	}
	return nil
}

func parseConfig(text []byte) (Config, error) { return decodeStrictly[Config](text) }

// decodeStrictly reads one YAML document. Unknown fields are refused.
func decodeStrictly[T any](text []byte) (T, error) {
	var decoded, none T
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&decoded); err != nil && !errors.Is(err, io.EOF) {
		return none, plainYAML(err, reflect.TypeFor[T]())
	}
	if err := d.Decode(new(T)); !errors.Is(err, io.EOF) {
		return none, Hint(errors.New("more than one document is in it"), "keep what is above the line ---, and nothing below")
	}
	return decoded, nil
}

// Path is a file or folder of the site.
func (s *Site) Path(elem ...string) string {
	return filepath.Join(append([]string{s.Dir}, elem...)...)
}

// brokerFile holds the address on which a broker of this site listens, while it does.
func (s *Site) brokerFile() string { return s.Path("run", "broker") }

// brokerPeersFile holds the address on which it listens for the brokers of other domains, while it does.
func (s *Site) brokerPeersFile() string { return s.Path("run", "broker-s2s") }
