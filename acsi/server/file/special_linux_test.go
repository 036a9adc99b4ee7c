package file

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPipesAndDevicesAreNoFiles(t *testing.T) {
	for name, special := range map[string]func(path string) error{
		"pipe":   func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"device": func(path string) error { return syscall.Mknod(path, syscall.S_IFCHR|0o600, 1<<8|5) },
	} {
		t.Run(name, func(t *testing.T) {
			s, dir := folder(t, nil)
			if err := special(filepath.Join(dir, "special")); err != nil {
				t.Skip(err)
			}
			const denied = "object-access-denied"
			if diff := cmp.Diff(map[string]string{"List": denied, "Open": denied, "Set": denied, "Delete": denied}, everyService(t, s, "special")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if _, err := s.List("special/"); code(err) != denied {
				t.Errorf("as a folder: %v", err)
			}
			if got, err := s.List(""); err != nil || len(got) > 0 {
				t.Errorf("it is listed: %v, %v", got, err)
			}
		})
	}
}

func TestAFullDiskKeepsWhatThereWas(t *testing.T) {
	disk := t.TempDir()
	if err := syscall.Mount("tmpfs", disk, "tmpfs", 0, "size=64k"); err != nil {
		t.Skip("no disk of one's own to fill: ", err)
	}
	defer syscall.Unmount(disk, syscall.MNT_DETACH)
	put(t, filepath.Join(disk, "old"), "1")
	root, err := os.OpenRoot(disk)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	s, err := New(Config{Root: root})
	if err != nil {
		t.Fatal(err)
	}
	err = s.Set(t.Context(), "old", strings.NewReader(strings.Repeat("x", 128<<10)))
	if code(err) != "hardware-fault" || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(map[string]string{"old": "1"}, left(t, disk)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := s.Set(t.Context(), "old", strings.NewReader("2")); err != nil {
		t.Errorf("what fits: %v", err)
	}
}
