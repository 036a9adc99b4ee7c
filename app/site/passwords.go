package site

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/sasl"
)

// MaxPassword is how long a password may be, with the end of its line, in octets.
const MaxPassword = 1 << 10

// SetPassword lets j log in by a password, in place of its TLS certificate. What the site keeps does not log in. A broker
// that runs in this folder acts on it within a minute, and ends the sessions that began with an older password.
func (s *Site) SetPassword(j jid.JID, password string) error {
	j = j.Bare()
	if j.Domain() != s.Domain {
		return s.otherDomain(j)
	}
	v, err := sasl.NewVerifier(password)
	if err != nil {
		return Hint(err, "use printable characters, and at least twelve of them")
	}
	f, err := s.readPasswords()
	if err != nil {
		return err
	}
	f.Accounts[j.String()] = verifier{v.Salt, v.Iterations, v.StoredKey, v.ServerKey}
	return s.writePasswords(f)
}

// RemovePassword takes the password of j away. Its certificates stay as they are.
func (s *Site) RemovePassword(j jid.JID) error {
	f, err := s.readPasswords()
	if err != nil {
		return err
	}
	name := j.Bare().String()
	if _, ok := f.Accounts[name]; !ok {
		hint := "no account has one: set one with `busbar account password " + name + "`"
		if known := f.names(); len(known) > 0 {
			hint = "these accounts have one: " + strings.Join(known, ", ")
		}
		return Hint(fmt.Errorf("%s has no password", name), hint)
	}
	delete(f.Accounts, name)
	return s.writePasswords(f)
}

// PasswordAccounts lists the accounts that may log in by password.
func (s *Site) PasswordAccounts() ([]string, error) {
	f, err := s.readPasswords()
	return f.names(), err
}

// passwordFile is the file that holds the verifiers.
func (s *Site) passwordFile() string { return s.Path("pki", "broker", "passwords.yaml") }

// passwords is the content of that file.
type passwords struct {
	Secret   octets              `yaml:"secret"` // makes up what is said of accounts without a password
	Accounts map[string]verifier `yaml:"accounts"`
}

// verifier is sasl.Verifier in the file.
type verifier struct {
	Salt       octets `yaml:"salt"`
	Iterations int    `yaml:"iterations"`
	StoredKey  octets `yaml:"stored_key"`
	ServerKey  octets `yaml:"server_key"`
}

// octets are written in base64.
type octets []byte

func (o octets) MarshalText() ([]byte, error) { return base64.StdEncoding.AppendEncode(nil, o), nil }

func (o *octets) UnmarshalText(text []byte) (err error) {
	*o, err = base64.StdEncoding.Strict().AppendDecode(nil, text)
	return err
}

func (p *passwords) names() []string {
	var names []string
	for name := range p.Accounts {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// readPasswords reads the file; where it is not there, no account has a password.
func (s *Site) readPasswords() (*passwords, error) {
	name := s.passwordFile()
	f := &passwords{Accounts: map[string]verifier{}}
	text, err := readSecret(name, maxConfigSize)
	if errors.Is(err, fs.ErrNotExist) {
		f.Secret = []byte(rand.Text())
		return f, nil
	}
	if err != nil {
		return f, err
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(f); err != nil {
		return f, fmt.Errorf("%s: it is not what `busbar account` writes: %w", name, err)
	}
	if f.Accounts == nil { // the last of them was deleted by hand
		f.Accounts = map[string]verifier{}
	}
	return f, nil
}

const passwordsHead = "# Accounts that may log in to the broker by password. Written by `busbar account`; keep it to the broker's user.\n"

func (s *Site) writePasswords(f *passwords) error {
	text, err := yaml.Marshal(f)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.passwordFile()), 0o700); err != nil {
		return err
	}
	return replaceFile(s.passwordFile(), append([]byte(passwordsHead), text...))
}

// verifiers is the file as the broker takes it.
func (s *Site) verifiers() (secret []byte, accounts map[jid.JID]sasl.Verifier, err error) {
	f, err := s.readPasswords()
	if err != nil {
		return nil, nil, err
	}
	accounts = make(map[jid.JID]sasl.Verifier)
	for name, in := range f.Accounts {
		v := sasl.Verifier{Salt: in.Salt, Iterations: in.Iterations, StoredKey: in.StoredKey, ServerKey: in.ServerKey}
		j, err := s.Account(name)
		if err == nil {
			err = v.Check()
		}
		if err != nil {
			return nil, nil, fmt.Errorf("%s: %s: %w", s.passwordFile(), name, err)
		}
		accounts[j.Bare()] = v
	}
	return f.Secret, accounts, nil
}

// livePasswords are those of a running broker.
type livePasswords struct {
	site *Site
	sasl.Passwords
}

// Refresh reads the file again. If it cannot be read, what was read last stays in force.
func (p *livePasswords) Refresh() error {
	secret, accounts, err := p.site.verifiers()
	if err == nil {
		p.Set(secret, accounts)
	}
	return err
}

// passwordOf is the file with the password that p logs in with, or "" where it shows a certificate.
func (s *Site) passwordOf(p Party) string {
	if p.PasswordFile != "" {
		return p.PasswordFile
	}
	own := s.Path("pki", p.JID.Bare().String(), "password")
	if _, err := os.Stat(own); err != nil {
		return ""
	}
	if _, err := os.Stat(s.partyFile(p.JID, "tls", "crt")); err == nil {
		return ""
	}
	return own
}

// readPassword reads a password from a file: its only line.
func readPassword(name string) (string, error) {
	text, err := readSecret(name, MaxPassword)
	if err != nil {
		return "", Hint(fmt.Errorf("the password: %w", err), "name a file that holds the password in its only line, readable to this user and nobody else")
	}
	return ParsePassword(text, name)
}

// ParsePassword reads the one line of a text that comes from where.
func ParsePassword(text []byte, where string) (string, error) {
	password := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	if password == "" || len(text) > MaxPassword || strings.ContainsAny(password, "\r\n") {
		return "", Hint(fmt.Errorf("%s does not hold a password, which is one line", where), "write the password there, and nothing else")
	}
	return password, nil
}

// readSecret reads a file that nobody else may read.
func readSecret(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	// Windows keeps access lists that the mode does not show.
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("%s is open to others (mode %04o): run chmod 600 %s, and set other passwords if others may have read it", name, mode, name)
	}
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s is larger than %d octets", name, limit)
	}
	return text, err
}

// replaceFile replaces a file as a whole or not at all. Nobody else may read it.
func replaceFile(name string, text []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+"-")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		os.Remove(f.Name())
	}
	return err
}
