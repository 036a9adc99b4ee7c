package foreign

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"busbar.example/app/site"
)

// What docs/deploy shows is what the fixtures run, for a host as Debian lays it out.
var (
	shownProsody = prosodySettings{Dir: "/etc/prosody/busbar", Data: "/var/lib/prosody", Log: "/var/log/prosody/prosody.log", PID: "/run/prosody/prosody.pid",
		Domain: "dso.example", Listen: "0.0.0.0", Clients: "5222", Peers: "5269", MaxStanza: defaultStanza}
	shownEjabberd = ejabberdSettings{Dir: "/etc/ejabberd", Domain: "dso.example", Listen: "0.0.0.0", Clients: "5222", Peers: "5269", MaxStanza: defaultStanza}
)

// blocks are the fenced blocks of a page, by the words behind the fence.
func blocks(t *testing.T, page string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "deploy", page))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	parts := strings.Split(string(text), "\n```")
	for i := 1; i < len(parts); i += 2 {
		name, body, _ := strings.Cut(parts[i], "\n")
		found[name] = append(found[name], body+"\n")
	}
	return found
}

// The configurations in the documentation are those that are tested.
func TestPagesShowWhatIsTested(t *testing.T) {
	prosody, ejabberd := blocks(t, "prosody.md"), blocks(t, "ejabberd.md")
	lua, err := fill("prosody.cfg.lua", prosodyConfig, shownProsody)
	if err != nil {
		t.Fatal(err)
	}
	yml, err := fill("ejabberd.yml", ejabberdConfig, shownEjabberd)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		page   string
		blocks []string
		want   []string
	}{
		{"prosody.md", prosody["lua"], []string{lua, prosodyModule}},
		{"ejabberd.md", ejabberd["yaml ejabberd.yml"], []string{yml}},
	} {
		if diff := cmp.Diff(tt.want, tt.blocks); diff != "" {
			t.Errorf("%s (-what is tested +what the page shows)\n%s", tt.page, diff)
		}
	}
}

// What the pages have changed where some log in by password is what is tested with passwords.
func TestPagesShowWhatPasswordsChange(t *testing.T) {
	byPassword, alsoByPassword := shownProsody, shownEjabberd
	byPassword.Passwords, alsoByPassword.Passwords = true, true
	for _, tt := range []struct {
		page, block    string
		name, template string
		without, with  any
	}{
		{"prosody.md", "lua passwords", "prosody.cfg.lua", prosodyConfig, shownProsody, byPassword},
		{"ejabberd.md", "yaml passwords", "ejabberd.yml", ejabberdConfig, shownEjabberd, alsoByPassword},
	} {
		without, err := fill(tt.name, tt.template, tt.without)
		if err != nil {
			t.Fatal(err)
		}
		with, err := fill(tt.name, tt.template, tt.with)
		if err != nil {
			t.Fatal(err)
		}
		var changed strings.Builder
		for line := range strings.Lines(with) {
			if !strings.Contains(without, line) {
				changed.WriteString(line)
			}
		}
		if diff := cmp.Diff([]string{changed.String()}, blocks(t, tt.page)[tt.block]); diff != "" {
			t.Errorf("%s (-what is tested +what the page shows)\n%s", tt.page, diff)
		}
	}
}

// What the pages have in busbar.yaml is taken.
func TestPagesConfigureTheSite(t *testing.T) {
	for _, page := range []string{"prosody.md", "ejabberd.md", "cluster.md"} {
		found := blocks(t, page)["yaml busbar.yaml"]
		if len(found) == 0 {
			t.Errorf("%s shows no busbar.yaml", page)
		}
		for _, text := range found {
			s, err := site.Init(filepath.Join(t.TempDir(), "site"), "dso.example")
			if err == nil {
				err = os.WriteFile(s.Path(site.FileName), []byte(text), 0o600)
			}
			if err == nil {
				_, err = site.Open(s.Dir)
			}
			if err != nil {
				t.Errorf("%s: %v\n%s", page, err, text)
			}
		}
	}
}
