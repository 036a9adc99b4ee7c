package demo

import (
	"os"
	"os/exec"
	"strings"
)

// commands can be pasted while the demo is up.
const commands = `
  busbar ls --to pv1
  busbar get --to pv1 'PV1LD0/MMXU1.TotW[MX]'
  busbar get --to bat1 'BAT1LD0/DSTO1.EffWhPct[MX]' --json
  busbar set --to pv1 'PV1LD0/DGEN1.WMax.setMag.f=60'
  busbar set --to pv1 'PV1LD0/DGEN1.WMax.setMag.f=60' --jid guest  # refused: a VIEWER
  busbar watch --to pv1 PV1LD0/LLN0.Measurements
  busbar operate --to fdr1 FDR1LD0/CSWI1.Pos off
  busbar operate --to fdr1 FDR1LD0/CSWI1.Pos off  # refused: it is there already
  busbar operate --to fdr1 FDR1LD0/CSWI1.Pos on
  busbar watch --to fdr1 FDR1LD0/LLN0.brcbSwitching --gi
  busbar rcb list --to fdr1
  busbar dataset show --to fdr1 FDR1LD0/LLN0.Switching
  busbar sg show --to fdr1 FDR1LD0
  busbar log query --to fdr1 FDR1LD0/LLN0.Events
  busbar file ls --to fdr1 'COMTRADE/*'
  busbar file get --to fdr1 COMTRADE/fault1.cfg -
  busbar selftest --to bat1
  busbar trace get --to pv1 'PV1LD0/MMXU1.TotW[MX]'
  busbar doctor --to pv1
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
	if d.utility != nil {
		d.print("  busbar get --site %s --to pv1@%s 'PV1LD0/MMXU1.TotW[MX]'  # through both brokers\n", quoted(d.utility.Dir), Domain)
		d.print("  busbar doctor --site %s --to pv1@%s\n", quoted(d.utility.Dir), Domain)
	}
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
