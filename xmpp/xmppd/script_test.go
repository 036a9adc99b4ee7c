package xmppd_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"busbar.example/secure/audit"
	"busbar.example/xmpp/jid"
	"busbar.example/xmpp/xmppd"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the traces in testdata")

// TestScripts plays each script of testdata. A script's lines are:
//
//	# prose
//	groups [NAME:] LOCAL LOCAL…; …        before all others: the roster, by localparts
//	resources N                           before all others: resources an account may have
//	rosters N                             before all others: contacts an account may note in a roster of its own
//	CLIENT connect LOCAL [RESOURCE]       logs in
//	CLIENT send XML                       sends these octets
//	CLIENT cut                            breaks the connection
//	sleep DURATION
//	shutdown
//	sessions
//
// Below each command stands, indented, all that it makes arrive anywhere, and which audit events. With -update the
// traces are written anew, to be reviewed as prose.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var got string
			synctest.Test(t, func(t *testing.T) { got = play(t, string(text)) })
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(text), got); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", file, diff)
			}
		})
	}
}

// play runs a script and returns it with the traces that it made.
func play(t *testing.T, script string) string {
	p := player{t: t, clients: map[string]*rawClient{}}
	var out strings.Builder
	for line := range strings.Lines(script) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "    ") {
			continue
		}
		out.WriteString(line + "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		for _, l := range p.run(line) {
			out.WriteString("    " + l + "\n")
		}
	}
	if p.site != nil {
		p.site.close()
	}
	return out.String()
}

type player struct {
	t       *testing.T
	cfg     xmppd.Config
	site    *site
	clients map[string]*rawClient
	names   []string // of clients, in the order in which they connected first
	seen    int      // audit events
}

func (p *player) run(line string) []string {
	words := strings.Fields(line)
	switch words[0] {
	case "groups":
		p.cfg.Groups = groups(strings.TrimPrefix(line, "groups"))
		return nil
	case "resources":
		fmt.Sscan(words[1], &p.cfg.Limits.ResourcesPerAccount)
		return nil
	case "rosters":
		p.cfg.Rosters = new(xmppd.Rosters)
		fmt.Sscan(words[1], &p.cfg.Rosters.Items)
		return nil
	}
	if p.site == nil {
		p.site = newSite(p.t, func(c *xmppd.Config) {
			c.Groups, c.Limits.ResourcesPerAccount = p.cfg.Groups, p.cfg.Limits.ResourcesPerAccount
			c.Rosters = p.cfg.Rosters
		})
	}
	var out []string
	switch {
	case words[0] == "sleep":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			p.t.Fatal(err)
		}
		time.Sleep(d)
	case words[0] == "shutdown":
		if err := p.site.server.Shutdown(context.Background()); err != nil {
			out = append(out, err.Error())
		}
	case words[0] == "sessions":
		for _, s := range p.site.server.Sessions() {
			out = append(out, fmt.Sprintf("%s available=%v", s.JID, s.Available))
		}
	case words[1] == "connect":
		out = p.connect(words[0], words[2], strings.Join(words[3:], " "))
	case words[1] == "send":
		if err := p.clients[words[0]].send(strings.SplitN(line, " ", 3)[2]); err != nil {
			out = append(out, err.Error())
		}
	case words[1] == "cut":
		p.clients[words[0]].raw.Close()
	default:
		p.t.Fatalf("no such command: %s", line)
	}
	synctest.Wait() // until all that the command caused has happened
	return append(out, p.trace()...)
}

func (p *player) connect(name, local, resource string) []string {
	nc, err := p.site.net.dial("192.0.2.2:40000")
	if err != nil {
		return []string{err.Error()}
	}
	c, _, err := p.site.open(nc, p.site.clientIdentity(local+"@"+domain))
	if err == nil {
		_, err = c.login("", resource)
	}
	if err != nil {
		c.raw.Close()
		return []string{"refused: " + err.Error()}
	}
	c.listen()
	if p.clients[name] == nil {
		p.names = append(p.names, name)
	}
	p.clients[name] = c
	return nil
}

// randomID is an id that the server made up, and builtAs the version of this program.
var (
	randomID = regexp.MustCompile(`id='[^']*[A-Z2-7]{26}'`)
	builtAs  = regexp.MustCompile(`<version>[^<]+</version>`)
	version  = regexp.MustCompile(`ver='[A-Z2-7]{26}\.`)
)

// trace returns what has arrived at the clients since the last call, and which events were recorded.
func (p *player) trace() []string {
	var out []string
	for _, name := range p.names {
		for _, el := range p.clients[name].take() {
			el = randomID.ReplaceAllString(el, "id='RANDOM'")
			el = version.ReplaceAllString(el, "ver='ERA.")
			out = append(out, name+" "+builtAs.ReplaceAllString(el, "<version>VERSION</version>"))
		}
	}
	ids := p.site.events.Events()
	for _, e := range ids[p.seen:] {
		switch e.ID {
		case audit.StreamOpened, audit.TLSEstablished, audit.CRLMissing:
		default:
			out = append(out, fmt.Sprintf("audit: %s %s: %s", e.ID, e.Subject, e.Text))
		}
	}
	p.seen = len(ids)
	return out
}

func groups(text string) []xmppd.Group {
	all := []xmppd.Group{}
	for part := range strings.SplitSeq(text, ";") {
		var g xmppd.Group
		if name, members, ok := strings.Cut(part, ":"); ok {
			g.Name, part = strings.TrimSpace(name), members
		}
		for _, local := range strings.Fields(part) {
			g.Members = append(g.Members, jid.MustParse(local+"@"+domain))
		}
		all = append(all, g)
	}
	return all
}
