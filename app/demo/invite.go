package demo

import (
	"os"
	"os/exec"
	"strings"
)

// commands can be pasted while the demo is up.
const commands = `
  busbar ls --to pv1
  busbar ls --to fdr1 FDR1LD0/XCBR1.Pos
  busbar get --to pv1 'PV1LD0/MMXU1.TotW[MX]'
  busbar get --to bat1 'BAT1LD0/DSTO1.EffWhPct[MX]' --json
  busbar trace get --to pv1 'PV1LD0/MMXU1.TotW[MX]'
  busbar watch --to bat1 'BAT1LD0/MMXU1[MX]'
  busbar set --to pv1 'PV1LD0/DGEN1.WMax.setMag.f=60'
  busbar set --to pv1 'PV1LD0/DGEN1.WMax.setMag.f=60' --jid guest  # refused: a VIEWER
  busbar pki show pki/pv1@` + Domain + `/e2e.crt
  cat audit/ied.jsonl
`

// invite says what can be tried while the demo is up.
func (d *demo) invite() {
	d.print("\nThe demo stays up until it is interrupted. In another shell:\n\n")
	if alias := aliasOf(os.Executable()); alias != "" {
		d.print("  %s\n", alias)
	}
	d.print("  cd %s%s", quoted(d.site.Dir), commands)
}

// aliasOf lets a shell find this program as busbar, where it would not by itself.
func aliasOf(self string, err error) string {
	if err != nil {
		return ""
	}
	if found, err := exec.LookPath("busbar"); err == nil && same(found, self) {
		return ""
	}
	return "alias busbar=" + quoted(self)
}

func same(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// quoted is a word of a shell.
func quoted(word string) string {
	if strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") == "" {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
