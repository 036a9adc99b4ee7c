package foreign

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

//go:embed prosody.cfg.lua
var prosodyConfig string

//go:embed mod_auth_certscram.lua
var prosodyModule string

// prosodySettings fill prosodyConfig in.
type prosodySettings struct {
	Dir            string // of certificates and modules
	Data, Log, PID string
	Domain         string
	Listen         string // address
	Clients, Peers string // ports; without the latter it talks to no other server
	DNS            string // "": as the machine does
	Passwords      bool
	MaxStanza      int
}

// StartProsody starts Prosody, and returns when it takes connections. An error may be a *MissingError.
func StartProsody(o Options) (*Server, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	for program, pkg := range map[string]string{"prosody": "prosody", "prosodyctl": "prosody"} {
		if _, err := exec.LookPath(program); err != nil {
			return nil, &MissingError{pkg}
		}
	}
	if found, err := filepath.Glob("/usr/lib/prosody/modules/mod_auth_ccert*"); err != nil || len(found) == 0 {
		return nil, &MissingError{"prosody-modules"}
	}
	if found, err := filepath.Glob("/usr/lib/*/lua/5.*/lunbound.so"); o.DNS != "" && (err != nil || len(found) == 0) {
		return nil, &MissingError{"lua-unbound"}
	}
	dir, err := newFolder()
	if err != nil {
		return nil, err
	}
	s, err := startProsody(o, dir)
	if err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	return s, nil
}

func startProsody(o Options, dir string) (*Server, error) {
	chain, key, roots, err := o.credentials()
	if err != nil {
		return nil, err
	}
	ports, err := freePorts(2)
	if err != nil {
		return nil, err
	}
	home := filepath.Join(dir, "prosody")
	settings := prosodySettings{Dir: home, Data: filepath.Join(home, "data"), Log: filepath.Join(home, "prosody.log"), PID: filepath.Join(home, "prosody.pid"),
		Domain: o.Domain, Listen: "127.0.0.1", Clients: ports[0], Passwords: len(o.Passwords) > 0, MaxStanza: o.MaxStanza}
	if o.DNS != "" {
		settings.Peers, settings.DNS = ports[1], unboundAddress(o.DNS)
	}
	config, err := fill("prosody.cfg.lua", prosodyConfig, settings)
	if err != nil {
		return nil, err
	}
	err = files{
		"prosody.cfg.lua": config, "server.crt": chain, "server.key": key, "roots.pem": roots, "modules/mod_auth_certscram.lua": prosodyModule,
	}.write(home, "data", "modules")
	if err != nil {
		return nil, err
	}
	s := &Server{Make: "prosody", Domain: o.Domain, Clients: loopback(settings.Clients), Peers: loopback(settings.Peers),
		gone: func() { os.RemoveAll(dir) }, log: settings.Log}
	file := filepath.Join(home, "prosody.cfg.lua")
	env := append(os.Environ(), "HOME="+home)
	for name, password := range o.Passwords {
		register := command("prosodyctl", "--config", file, "register", name, o.Domain, password)
		register.Dir, register.Env = home, env
		if said, err := register.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("prosodyctl: %w\n%s", err, said)
		}
	}
	cmd := command("prosody", "--config", file, "-F")
	cmd.Dir, cmd.Env = home, env
	if err := s.start(cmd); err != nil {
		return nil, err
	}
	return s, s.await(func() bool { return listens(s.Clients, s.Peers) })
}

// unboundAddress is HOST:PORT as libunbound writes it.
func unboundAddress(address string) string { return strings.Replace(address, ":", "@", 1) }
