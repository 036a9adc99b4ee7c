package demo

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestTheInvitationNamesAProgramThatTheShellDoesNotFind(t *testing.T) {
	dir := t.TempDir()
	here := filepath.Join(dir, "busbar")
	if err := os.WriteFile(here, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, path, self string
		err              error
		want             string
	}{
		{"it is found", dir, here, nil, ""},
		{"it is not found", t.TempDir(), "/opt/busbar/bin/busbar", nil, "alias busbar=/opt/busbar/bin/busbar"},
		{"another one is found", dir, "/opt/my programs/it's", nil, `alias busbar='/opt/my programs/it'\''s'`},
		{"nobody knows", dir, "", errors.New("no /proc"), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("PATH", tc.path)
			if got := aliasOf(tc.self, tc.err); got != tc.want {
				t.Errorf("aliasOf(%q, %v) = %q, want %q", tc.self, tc.err, got, tc.want)
			}
		})
	}
}
