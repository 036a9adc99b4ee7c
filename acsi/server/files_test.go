package server

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi"
	"busbar.example/secure/audit"
	"busbar.example/secure/rbac"
)

// filesBench is an engine that has the files given.
func filesBench(t testing.TB, files map[string]string) (*bench, string) {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	return feederBench(t, Config{Files: root, MaxFileSize: 1 << 20}), dir
}

// content reads a file from an offset.
func content(t testing.TB, s acsi.Services, name string, offset uint32) string {
	t.Helper()
	r, _, err := s.OpenFile(bg, name, offset)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

// Conformance: sFt1, sFt2, sFt3, sFt4.
func TestFilesAreServed(t *testing.T) {
	long := strings.Repeat("0123456789", 50_000)
	b, _ := filesBench(t, map[string]string{"COMTRADE/f1.cfg": "cfg", "COMTRADE/f1.dat": long, "empty": ""})
	s := b.as(rbac.Engineer)
	if !s.Supported().Has(acsi.GetFiles | acsi.GetFile | acsi.SetFile | acsi.DeleteFile) {
		t.Errorf("supported: %s", s.Supported())
	}
	list := func(name string) string {
		files, err := s.GetFiles(bg, name)
		if err != nil {
			t.Fatal(err)
		}
		text := ""
		for _, f := range files {
			text += fmt.Sprintf(" %s:%d", f.Name, f.Size)
		}
		return text
	}
	for name, want := range map[string]string{
		"": " COMTRADE/:0 empty:0", "COMTRADE/": " COMTRADE/f1.cfg:3 COMTRADE/f1.dat:500000", "COMTRADE/*.cfg": " COMTRADE/f1.cfg:3", "empty": " empty:0",
	} {
		if got := list(name); got != want {
			t.Errorf("GetFiles(%q): got %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{"COMTRADE/f1.cfg": "cfg", "COMTRADE/f1.dat": long, "empty": ""} {
		if got := content(t, s, name, 0); got != want {
			t.Errorf("%s: got %d octets, want %d", name, len(got), len(want))
		}
	}
	if got := content(t, s, "COMTRADE/f1.dat", 499_990); got != "0123456789" {
		t.Errorf("from an offset: %q", got)
	}
	if err := s.SetFile(bg, "COMTRADE/new", strings.NewReader("new")); err != nil || content(t, s, "COMTRADE/new", 0) != "new" {
		t.Errorf("SetFile: %v", err)
	}
	if err := s.DeleteFile(bg, "COMTRADE/f1.cfg"); err != nil || list("COMTRADE/*.cfg") != "" {
		t.Errorf("DeleteFile: %v", err)
	}
	want := []audit.ID{audit.FileRead, audit.FileRead, audit.FileRead, audit.FileRead, audit.FileWritten, audit.FileRead, audit.FileDeleted}
	var got []audit.ID
	for _, e := range b.events.Events() {
		got = append(got, e.ID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// Conformance: sFtN1.
func TestFilesThatAreNotThere(t *testing.T) {
	b, _ := filesBench(t, map[string]string{"file": "1"})
	s := b.as(rbac.Engineer)
	open := func(name string, offset uint32) error { _, _, err := s.OpenFile(bg, name, offset); return err }
	list := func(name string) error { _, err := s.GetFiles(bg, name); return err }
	for _, test := range []struct {
		name string
		err  error
		want string
	}{
		{"read an unknown file", open("none", 0), "object-non-existent"},
		{"read in an unknown folder", open("none/file", 0), "object-non-existent"},
		{"read beyond the end", open("file", 2), "object-value-invalid"},
		{"list an unknown file", list("none"), "object-non-existent"},
		{"list an unknown folder", list("none/"), "object-non-existent"},
		{"write in an unknown folder", s.SetFile(bg, "none/file", strings.NewReader("")), "object-non-existent"},
		{"write too much", s.SetFile(bg, "long", strings.NewReader(strings.Repeat("x", 1<<20+1))), "hardware-fault"},
		{"delete an unknown file", s.DeleteFile(bg, "none"), "object-non-existent"},
		{"read what is outside", open("../file", 0), "invalid-address"},
		{"delete what is outside", s.DeleteFile(bg, "../file"), "invalid-address"},
	} {
		if got := codeOf(test.err); got != test.want {
			t.Errorf("%s: got %v, want %q", test.name, test.err, test.want)
		}
	}
	if got := b.events.Events(); len(got) > 0 {
		t.Errorf("events of what was not done: %+v", got)
	}
}

// Conformance: sFtN2.
func TestR2FilesTakeRights(t *testing.T) {
	type can struct{ Read, Write, Delete bool }
	for role, want := range map[rbac.Role]can{
		rbac.Viewer: {}, rbac.Operator: {}, rbac.Engineer: {true, true, true}, rbac.Installer: {Write: true}, rbac.SECADM: {}, rbac.SECAUD: {Read: true},
	} {
		t.Run(role.String(), func(t *testing.T) {
			b, dir := filesBench(t, map[string]string{"read": "1", "delete": "1"})
			s := b.as(role)
			var errs [4]error
			_, errs[0] = s.GetFiles(bg, "")
			var r io.ReadCloser
			if r, _, errs[1] = s.OpenFile(bg, "read", 0); errs[1] == nil {
				r.Close()
			}
			errs[2], errs[3] = s.SetFile(bg, "write", strings.NewReader("1")), s.DeleteFile(bg, "delete")
			for i, err := range errs {
				if err != nil && codeOf(err) != "object-access-denied" {
					t.Errorf("service %d: %v", i, err)
				}
			}
			if got := (can{errs[0] == nil && errs[1] == nil, errs[2] == nil, errs[3] == nil}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			_, written := os.Stat(filepath.Join(dir, "write"))
			_, kept := os.Stat(filepath.Join(dir, "delete"))
			if (written == nil) != want.Write || (kept != nil) != want.Delete {
				t.Errorf("written: %v, kept: %v", written, kept)
			}
			denied := 0
			for _, e := range b.events.Events() {
				if e.ID == audit.AccessDenied {
					denied++
				}
			}
			wantDenied := 0
			for _, err := range errs {
				if err != nil {
					wantDenied++
				}
			}
			if denied != wantDenied {
				t.Errorf("%d events of denials, want %d: %+v", denied, wantDenied, b.events.Events())
			}
		})
	}
	t.Run("an area of responsibility", func(t *testing.T) {
		b, _ := filesBench(t, nil)
		limited := subject(rbac.Engineer)
		limited.Grants[0].AOR = "FDR1LD0"
		if _, err := b.Services(limited).GetFiles(bg, ""); codeOf(err) != "object-access-denied" {
			t.Errorf("got %v: files are of no logical device", err)
		}
	})
}

// A file that is open is read as long as the role holds.
func TestR3ReadingEndsWithTheRole(t *testing.T) {
	b, _ := filesBench(t, map[string]string{"read": "12"})
	who := subject(rbac.Engineer)
	who.Grants[0].NotAfter = b.now.Add(time.Minute)
	r, _, err := b.Services(who).OpenFile(bg, "read", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	one := make([]byte, 1)
	if _, err := r.Read(one); err != nil || one[0] != '1' {
		t.Errorf("while the role holds: %q, %v", one, err)
	}
	b.now = b.now.Add(2 * time.Minute)
	if _, err := r.Read(one); codeOf(err) != "object-access-denied" {
		t.Errorf("afterwards: %q, %v", one, err)
	}
	events := b.events.Events()
	if last := events[len(events)-1]; last.ID != audit.RoleWithdrawn {
		t.Errorf("the last event is %+v", last)
	}
}

func TestAnIEDWithoutFilesSaysSo(t *testing.T) {
	s := feederBench(t, Config{}).as(rbac.Engineer)
	if got := s.Supported() & (acsi.GetFiles | acsi.GetFile | acsi.SetFile | acsi.DeleteFile); got != 0 {
		t.Errorf("supported: %s", got)
	}
	_, listed := s.GetFiles(bg, "")
	_, _, opened := s.OpenFile(bg, "file", 0)
	for _, err := range []error{listed, opened, s.SetFile(bg, "file", strings.NewReader("")), s.DeleteFile(bg, "file")} {
		if codeOf(err) != "object-access-unsupported" {
			t.Errorf("got %v", err)
		}
	}
}

func TestAnAssociationReadsFewFilesAtOnce(t *testing.T) {
	b, _ := filesBench(t, map[string]string{"file": "1"})
	s, other := b.as(rbac.Engineer), b.as(rbac.Engineer)
	var open []io.ReadCloser
	for range maxOpenFiles {
		r, _, err := s.OpenFile(bg, "file", 0)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, r)
	}
	if _, _, err := s.OpenFile(bg, "file", 0); codeOf(err) != "temporarily-unavailable" {
		t.Errorf("one more: %v", err)
	}
	if got := content(t, other, "file", 0); got != "1" {
		t.Errorf("another association: %q", got)
	}
	if err := open[0].Close(); err != nil {
		t.Error(err)
	}
	if got := content(t, s, "file", 0); got != "1" {
		t.Errorf("when one was closed: %q", got)
	}
	if err := s.Close(bg); err != nil {
		t.Fatal(err)
	}
	if _, err := open[1].Read(make([]byte, 1)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("after the association: %v", err)
	}
	if err := open[1].Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	if _, _, err := s.OpenFile(bg, "file", 0); !errors.Is(err, net.ErrClosed) {
		t.Errorf("opened after the association: %v", err)
	}
}
