package file

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"busbar.example/acsi"
)

// folder is a store of a new folder that holds the files given. Beside the folder there is a secret.
func folder(t testing.TB, files map[string]string) (*Store, string) {
	t.Helper()
	outer := t.TempDir()
	dir := filepath.Join(outer, "files")
	put(t, filepath.Join(outer, "secret"), "nobody's business")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		put(t, filepath.Join(dir, filepath.FromSlash(name)), content)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	s, err := New(Config{Root: root, MaxSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

func put(t testing.TB, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// code is the code of an error, or what it says where it has none.
func code(err error) string {
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*acsi.Error](err)
	if !ok {
		return err.Error()
	}
	return e.Code.String()
}

// left is all that is in dir, hidden or not, with its content.
func left(t testing.TB, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		content, err := os.ReadFile(path)
		all[filepath.ToSlash(name)] = string(content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func names(files []acsi.File) string {
	var all []string
	for _, f := range files {
		all = append(all, fmt.Sprintf("%s:%d", f.Name, f.Size))
	}
	return strings.Join(all, " ")
}

func TestListTellsOfWhatTheNameStandsFor(t *testing.T) {
	s, dir := folder(t, map[string]string{
		"info.txt": "12", "COMTRADE/a1.cfg": "123", "COMTRADE/a1.dat": "", "COMTRADE/b[2].cfg": "1", "COMTRADE/deep/x": "", ".hidden": "", "COMTRADE/.hidden": "",
	})
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, want, code string }{
		{"", "COMTRADE/:0 empty/:0 info.txt:2", ""},
		{"/", "COMTRADE/:0 empty/:0 info.txt:2", ""},
		{"COMTRADE/", "COMTRADE/a1.cfg:3 COMTRADE/a1.dat:0 COMTRADE/b[2].cfg:1 COMTRADE/deep/:0", ""},
		{"COMTRADE", "COMTRADE/a1.cfg:3 COMTRADE/a1.dat:0 COMTRADE/b[2].cfg:1 COMTRADE/deep/:0", ""},
		{"COMTRADE/deep/", "COMTRADE/deep/x:0", ""},
		{"empty/", "", ""},
		{"info.txt", "info.txt:2", ""},
		{"COMTRADE/a1.cfg", "COMTRADE/a1.cfg:3", ""},
		{"*", "COMTRADE/:0 empty/:0 info.txt:2", ""},
		{"*.txt", "info.txt:2", ""},
		{"COMTRADE/*.cfg", "COMTRADE/a1.cfg:3 COMTRADE/b[2].cfg:1", ""},
		{"COMTRADE/a1.*", "COMTRADE/a1.cfg:3 COMTRADE/a1.dat:0", ""},
		{"COMTRADE/?1.cfg", "COMTRADE/a1.cfg:3", ""},
		{"COMTRADE/b[2].*", "COMTRADE/b[2].cfg:1", ""},
		{"COMTRADE/[a-z]1.*", "", ""},
		{"COMTRADE/z*", "", ""},
		{"info.txt/", "", "object-access-denied"},
		{"nothing", "", "object-non-existent"},
		{"nothing/", "", "object-non-existent"},
		{"nothing/*", "", "object-non-existent"},
		{"info.txt/x", "", "object-non-existent"},
		{"*/a1.cfg", "", "object-non-existent"},
		{".hidden", "", "invalid-address"},
	} {
		got, err := s.List(test.name)
		if names(got) != test.want || code(err) != test.code {
			t.Errorf("List(%q): got %q, %v, want %q, %q", test.name, names(got), err, test.want, test.code)
		}
	}
}

func TestOpenReadsFromAnOffset(t *testing.T) {
	long := strings.Repeat("0123456789", 100_000)
	s, _ := folder(t, map[string]string{"short": "0123456789", "long": long, "none": ""})
	for _, test := range []struct {
		name   string
		offset uint32
		want   string
		code   string
	}{
		{"short", 0, "0123456789", ""},
		{"short", 7, "789", ""},
		{"short", 10, "", ""},
		{"short", 11, "", "object-value-invalid"},
		{"short", 1<<32 - 1, "", "object-value-invalid"},
		{"long", 0, long, ""},
		{"long", 999_999, "9", ""},
		{"none", 0, "", ""},
		{"absent", 0, "", "object-non-existent"},
		{"short/x", 0, "", "object-non-existent"},
		{"sh*", 0, "", "invalid-address"},
		{"", 0, "", "invalid-address"},
	} {
		r, info, err := s.Open(test.name, test.offset)
		if code(err) != test.code {
			t.Errorf("Open(%q, %d): %v, want %q", test.name, test.offset, err, test.code)
		}
		if err != nil {
			continue
		}
		got, err := io.ReadAll(r)
		if err != nil || string(got) != test.want || info.Name != test.name || int(info.Size) != int(test.offset)+len(test.want) {
			t.Errorf("Open(%q, %d): %d octets of %+v, %v, want %d", test.name, test.offset, len(got), info, err, len(test.want))
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestSetReplacesAllOrNothing(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	broken := errors.New("the client is gone")
	long := strings.Repeat("x", 1<<20)
	for _, test := range []struct {
		name, file string
		ctx        context.Context
		content    io.Reader
		sync       error
		want       map[string]string // beside the others
		code       string
	}{
		{name: "a new one", file: "new", content: strings.NewReader("2"), want: map[string]string{"new": "2"}},
		{name: "in a folder", file: "sub/new", content: strings.NewReader("2"), want: map[string]string{"sub/new": "2"}},
		{name: "one that is there", file: "old", content: strings.NewReader("2"), want: map[string]string{"old": "2"}},
		{name: "an empty one", file: "old", content: strings.NewReader(""), want: map[string]string{"old": ""}},
		{name: "octet by octet", file: "new", content: iotest.OneByteReader(strings.NewReader("234")), want: map[string]string{"new": "234"}},
		{name: "as long as may be", file: "new", content: strings.NewReader(long), want: map[string]string{"new": long}},
		{name: "longer", file: "old", content: strings.NewReader(long + "x"), code: "hardware-fault"},
		{name: "without an end", file: "old", content: endless{}, code: "hardware-fault"},
		{name: "content breaks off", file: "old", content: io.MultiReader(strings.NewReader(long[:100_000]), iotest.ErrReader(broken)), code: broken.Error()},
		{name: "the service is given up", ctx: ended, file: "old", content: strings.NewReader("2"), code: context.Canceled.Error()},
		{name: "the disk is full", file: "old", content: strings.NewReader("2"), sync: &os.PathError{Op: "sync", Err: syscall.ENOSPC}, code: "hardware-fault"},
		{name: "in no folder", file: "no/new", content: strings.NewReader("2"), code: "object-non-existent"},
		{name: "in a file", file: "old/new", content: strings.NewReader("2"), code: "object-non-existent"},
		{name: "a folder", file: "sub", content: strings.NewReader("2"), code: "object-access-denied"},
		{name: "a pattern", file: "ol?", content: strings.NewReader("2"), code: "invalid-address"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, dir := folder(t, map[string]string{"old": "1", "sub/x": ""})
			if test.sync != nil {
				s.sync = func(*os.File) error { return test.sync }
			}
			ctx := test.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			err := s.Set(ctx, test.file, test.content)
			if code(err) != test.code {
				t.Errorf("got %v, want %q", err, test.code)
			}
			want := map[string]string{"old": "1", "sub/x": ""}
			for name, content := range test.want {
				want[name] = content
			}
			if diff := cmp.Diff(want, left(t, dir)); diff != "" {
				t.Errorf("(-want +got):\n%.1000s", diff)
			}
		})
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

func TestDeleteRemovesOneFile(t *testing.T) {
	for _, test := range []struct{ name, code string }{
		{"old", ""}, {"sub/x", ""}, {"absent", "object-non-existent"}, {"sub", "object-access-denied"},
		{"sub/", "invalid-address"}, {"*", "invalid-address"}, {"", "invalid-address"},
	} {
		s, dir := folder(t, map[string]string{"old": "1", "sub/x": ""})
		if err := s.Delete(test.name); code(err) != test.code {
			t.Errorf("Delete(%q): %v, want %q", test.name, err, test.code)
		}
		want := map[string]string{"old": "1", "sub/x": ""}
		if test.code == "" {
			delete(want, test.name)
		}
		if diff := cmp.Diff(want, left(t, dir)); diff != "" {
			t.Errorf("Delete(%q) (-want +got):\n%s", test.name, diff)
		}
	}
}

// everyService asks each service for name, and gives the codes of its refusals.
func everyService(t *testing.T, s *Store, name string) map[string]string {
	t.Helper()
	_, listed := s.List(name)
	r, _, opened := s.Open(name, 0)
	if opened == nil {
		r.Close()
	}
	return map[string]string{"List": code(listed), "Open": code(opened), "Set": code(s.Set(t.Context(), name, strings.NewReader("evil"))), "Delete": code(s.Delete(name))}
}

func TestNamesThatLeadElsewhereAreRefused(t *testing.T) {
	for _, name := range []string{
		"../secret", "..", "../", "sub/../../secret", "sub/..", "./old", ".", "/old", "/etc/passwd", "//etc/passwd", "sub//x",
		`..\secret`, `sub\x`, `C:\old`, ".busbar-upload-x", "sub/.hidden", "\xff\xfe", "a\x00b", "old\x00.txt", "line\nfeed", "escape\x1b[2J",
		"\u0085", "\ufffe", "\uffff", strings.Repeat("x", MaxName+1), strings.Repeat("x/", 200),
	} {
		s, dir := folder(t, map[string]string{"old": "1", "sub/x": ""})
		for service, got := range everyService(t, s, name) {
			if got != "invalid-address" {
				t.Errorf("%s(%.40q): got %q, want invalid-address", service, name, got)
			}
		}
		if diff := cmp.Diff(map[string]string{"old": "1", "sub/x": ""}, left(t, dir)); diff != "" {
			t.Errorf("%.40q (-want +got):\n%s", name, diff)
		}
	}
	s, _ := folder(t, nil)
	longest := strings.Repeat("ü", MaxName/2)
	if err := s.Set(t.Context(), longest, strings.NewReader("1")); err != nil {
		t.Errorf("a name of %d octets: %v", len(longest), err)
	}
}

func TestLinksThatLeadElsewhereAreNotFollowed(t *testing.T) {
	for name, target := range map[string]string{"out of it": "../secret", "absolute": "/etc/passwd", "in a circle": "link", "to a device": "/dev/zero"} {
		t.Run(name, func(t *testing.T) {
			s, dir := folder(t, nil)
			if err := os.Symlink(target, filepath.Join(dir, "link")); err != nil {
				t.Skip(err)
			}
			want := map[string]string{"List": "object-access-denied", "Open": "object-access-denied", "Set": "object-access-denied", "Delete": "object-access-denied"}
			if diff := cmp.Diff(want, everyService(t, s, "link")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got, err := s.List(""); err != nil || len(got) > 0 {
				t.Errorf("it is listed: %v, %v", got, err)
			}
			if content, err := os.ReadFile(filepath.Join(dir, "..", "secret")); err != nil || string(content) != "nobody's business" {
				t.Errorf("the file outside: %q, %v", content, err)
			}
		})
	}
	t.Run("a folder that is a link", func(t *testing.T) {
		s, dir := folder(t, nil)
		if err := os.Symlink("..", filepath.Join(dir, "up")); err != nil {
			t.Skip(err)
		}
		for service, got := range everyService(t, s, "up/secret") {
			if got != "object-access-denied" {
				t.Errorf("%s: got %q, want object-access-denied", service, got)
			}
		}
	})
	t.Run("within", func(t *testing.T) {
		s, dir := folder(t, map[string]string{"sub/x": "1"})
		if err := os.Symlink("sub/x", filepath.Join(dir, "link")); err != nil {
			t.Skip(err)
		}
		want := map[string]string{"List": "", "Open": "", "Set": "object-access-denied", "Delete": "object-access-denied"}
		if diff := cmp.Diff(want, everyService(t, s, "link")); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestAFolderOfTooManyFilesIsNotListed(t *testing.T) {
	if testing.Short() {
		t.Skip("10,001 files")
	}
	s, dir := folder(t, nil)
	for i := range maxListed {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(i)))
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if got, err := s.List(""); err != nil || len(got) != maxListed {
		t.Errorf("%d files: %d, %v", maxListed, len(got), err)
	}
	put(t, filepath.Join(dir, "one more"), "")
	if got, err := s.List(""); code(err) != "hardware-fault" {
		t.Errorf("one more: %d, %v", len(got), err)
	}
}

func TestFewFilesAreWrittenAtOnce(t *testing.T) {
	s, dir := folder(t, map[string]string{"old": "1"})
	done := make(chan error)
	var ends []*io.PipeWriter
	for i := range maxWriting {
		r, w := io.Pipe()
		ends = append(ends, w)
		go func() { done <- s.Set(t.Context(), fmt.Sprint("new", i), r) }()
		if _, err := io.WriteString(w, "2"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Set(t.Context(), "old", strings.NewReader("2")); code(err) != "temporarily-unavailable" {
		t.Errorf("one more: got %v, want temporarily-unavailable", err)
	}
	for _, w := range ends {
		w.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if err := s.Set(t.Context(), "old", strings.NewReader("2")); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	want := map[string]string{"old": "2", "new0": "2", "new1": "2", "new2": "2", "new3": "2"}
	if diff := cmp.Diff(want, left(t, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatAnInterruptedWriteLeftIsRemoved(t *testing.T) {
	s, dir := folder(t, map[string]string{upload + "ABC": "half", "old": "1"})
	if diff := cmp.Diff(map[string]string{"old": "1"}, left(t, dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got, err := s.List(""); err != nil || names(got) != "old:1" {
		t.Errorf("listed: %q, %v", names(got), err)
	}
}

func FuzzNames(f *testing.F) {
	for _, name := range []string{"", "/", "a/b.cfg", "*.cfg", "../x", "a//b", "[a-", "a/?", "\xff", ".x", `a\b`, strings.Repeat("*a", 60)} {
		f.Add(name)
	}
	s, dir := folder(f, map[string]string{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa": "1", "b/c": ""})
	outside, err := os.ReadDir(filepath.Dir(dir))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string) {
		files, err := s.List(name)
		if err == nil {
			for _, file := range files {
				if check(file.Name) != nil {
					t.Errorf("List(%q) has %q, which nobody can ask for", name, file.Name)
				}
			}
		}
		if s.Set(t.Context(), name, bytes.NewReader(nil)) == nil {
			if got, err := s.List(name); err != nil || names(got) != name+":0" {
				t.Errorf("Set(%q), then List: %q, %v", name, names(got), err)
			}
			if err := s.Delete(name); err != nil {
				t.Errorf("Set(%q), then Delete: %v", name, err)
			}
		}
		if now, err := os.ReadDir(filepath.Dir(dir)); err != nil || len(now) != len(outside) {
			t.Fatalf("%q: beside the folder there are %v, %v", name, now, err)
		}
	})
}
