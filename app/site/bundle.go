package site

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"busbar.example/secure/pki"
	"busbar.example/xmpp/jid"
)

// BrokerParty is the name under which Bundle knows the broker.
const BrokerParty = "broker"

// A Bundle is what one party needs of a site to run elsewhere: busbar.yaml, its own keys and certificates, whom it trusts and
// what is revoked. It holds no key of an authority or of anybody else. The broker's has nothing of end-to-end security.
type Bundle struct {
	Files []BundleFile // busbar.yaml last
	// Elsewhere are files that busbar.yaml names and that are not below the site folder: they are not in the bundle.
	Elsewhere []string
}

// A BundleFile is one file of a bundle.
type BundleFile struct {
	Name   string // below the folder, with slashes
	Mode   fs.FileMode
	Octets []byte
}

// maxBundled bounds a file of a bundle, in octets: revocation lists are the largest.
const maxBundled = 16 << 20

// BrokerBundle collects what the broker needs.
func (s *Site) BrokerBundle() (*Bundle, error) {
	trusted := []pki.Sources{s.trustSources(pki.E2M)}
	for _, d := range s.domains {
		trusted = append(trusted, s.sources(d.E2M))
	}
	return s.bundle(BrokerParty, trusted, nil)
}

// PartyBundle collects what an IED or a client needs. That of an IED may take the models in scl/ along.
func (s *Site) PartyBundle(j jid.JID) (*Bundle, error) {
	mms, err := s.mmsSources()
	if err != nil {
		return nil, err
	}
	trusted := []pki.Sources{mms, s.trustSources(pki.E2E)}
	for _, d := range s.domains {
		trusted = append(trusted, s.sources(d.E2E.Anchors))
	}
	models, err := filesIn(s.Path("scl"))
	if err != nil {
		return nil, err
	}
	return s.bundle(j.Bare().String(), trusted, models)
}

// bundle collects the party's own folder, what the trust is made of, and more.
func (s *Site) bundle(whose string, trusted []pki.Sources, more []string) (*Bundle, error) {
	own, err := filesIn(s.Path("pki", whose))
	if err == nil && len(own) == 0 {
		err = Hint(fmt.Errorf("%s has no keys in %s", whose, s.Path("pki")), "make them first: busbar pki issue ied|client "+whose)
	}
	if err != nil {
		return nil, err
	}
	names := append(own, more...)
	for _, src := range trusted {
		names = append(names, sourceFiles(src)...)
	}
	slices.Sort(names)
	b := new(Bundle)
	for _, name := range append(slices.Compact(names), s.Path(FileName)) {
		rel, err := filepath.Rel(s.Dir, name)
		if err != nil || !filepath.IsLocal(rel) {
			b.Elsewhere = append(b.Elsewhere, name)
			continue
		}
		f, err := readBundled(name)
		if err != nil {
			return nil, err
		}
		f.Name = filepath.ToSlash(rel)
		b.Files = append(b.Files, f)
	}
	return b, nil
}

// filesIn names the files of a folder that are files; one that is not there has none.
func filesIn(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return names, err
}

func readBundled(name string) (f BundleFile, err error) {
	file, err := os.Open(name)
	if err != nil {
		return f, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return f, err
	}
	f.Mode = info.Mode().Perm()
	f.Octets, err = io.ReadAll(io.LimitReader(file, maxBundled+1))
	if err == nil && len(f.Octets) > maxBundled {
		err = Hint(fmt.Errorf("%s: more than %d octets", name, maxBundled), "keep what does not belong to the site elsewhere")
	}
	return f, err
}

// WriteFolder makes the folder dir, which must not exist or be empty: all of it or nothing.
func (b *Bundle) WriteFolder(dir string) error {
	return newFolder(dir, func(draft string) error {
		for _, sub := range folders {
			if err := os.Mkdir(filepath.Join(draft, sub), 0o700); err != nil {
				return err
			}
		}
		for _, f := range b.Files {
			name := filepath.Join(draft, filepath.FromSlash(f.Name))
			if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
				return err
			}
			if err := os.WriteFile(name, f.Octets, f.Mode); err != nil {
				return err
			}
			if err := os.Chmod(name, f.Mode); err != nil { // whatever the umask takes away
				return err
			}
		}
		return nil
	})
}

// WriteTar writes the folder as a tar archive, in which it is called root.
func (b *Bundle) WriteTar(w io.Writer, root string, now time.Time) error {
	t := tar.NewWriter(w)
	made := map[string]bool{}
	var folder func(name string) error
	folder = func(name string) error {
		if name == "." || made[name] {
			return nil
		}
		if err := folder(path.Dir(name)); err != nil {
			return err
		}
		made[name] = true
		return t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o700, ModTime: now})
	}
	for _, sub := range folders {
		if err := folder(path.Join(root, sub)); err != nil {
			return err
		}
	}
	for _, f := range b.Files {
		name := path.Join(root, f.Name)
		if err := folder(path.Dir(name)); err != nil {
			return err
		}
		if err := t.WriteHeader(&tar.Header{Name: name, Mode: int64(f.Mode), Size: int64(len(f.Octets)), ModTime: now}); err != nil {
			return err
		}
		if _, err := t.Write(f.Octets); err != nil {
			return err
		}
	}
	return t.Close()
}
