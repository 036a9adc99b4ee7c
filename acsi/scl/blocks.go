package scl

import (
	"cmp"
	"errors"
	"slices"
	"strconv"

	"busbar.example/acsi"
	"busbar.example/value"
)

// maxBlockName is the longest name of a control block or data set. IEC 61850-7-2, the type of its name.
const maxBlockName = 32

// maxInstances is how many instances of one report control block there are at most: their names end with two digits.
const maxInstances = 99

// blocker gives one logical node its control blocks.
type blocker struct {
	*modeller
	*placed
	taken map[acsi.Ref]bool
	nodes []*acsi.Node
}

// addBlocks gives the logical node its control blocks, behind its data objects.
//
// IEC 61850-6, 9.3.8 to 9.3.12.
func (m *modeller) addBlocks(at *placed) error {
	b := &blocker{modeller: m, placed: at, taken: map[acsi.Ref]bool{}}
	if at.ln.class == "LLN0" && at.device.Groups > 0 {
		if _, _, err := b.add(acsi.SGCB, acsi.SGCB, &controlBlock{element: "SettingControl", line: at.ld.settings.line}); err != nil {
			return err
		}
	}
	for _, block := range at.ln.blocks {
		var err error
		switch block.element {
		case "ReportControl":
			err = b.addReports(block)
		case "LogControl":
			err = b.addLogControl(block)
		case "GSEControl":
			err = b.addGOOSE(block)
		case "SampledValueControl":
			err = b.addSampled(block)
		}
		if err != nil {
			return err
		}
	}
	at.out.Node.Children = append(slices.Clip(at.out.Node.Children), b.nodes...) // the rest is that of the type
	return nil
}

// add gives the logical node a control block; ok is false where it is left out.
func (b *blocker) add(class, name string, block *controlBlock) (ref acsi.Ref, ok bool, err error) {
	const longest = len(".DstAddress.PRIORITY")
	attributes := b.attributes[class]
	if attributes == nil {
		attributes = acsi.ControlBlock(class, name, b.model.Services).Children
		b.attributes[class] = attributes
	}
	ref, err = b.ref.WithFC(attributes[0].FC).Child(name)
	switch {
	case err != nil:
		b.finding(ruleBlockName, block.line, block.String(), "it is left out: %v", err)
		return ref, false, nil
	case len(ref.Path())+longest > acsi.MaxRefLen:
		b.finding(ruleBlockName, block.line, block.String(), "it is left out: a reference into it would be longer than %d octets", acsi.MaxRefLen)
		return ref, false, nil
	case b.taken[ref]:
		b.finding(ruleBlockTwice, block.line, block.String(), "%s is left out: there is another of that name", quote(name))
		return ref, false, nil
	}
	b.taken[ref] = true
	if b.points += 1 + len(attributes); b.points > maxPoints {
		return ref, false, b.errorf(ruleTooLarge, block.line, block.String(), "the model would have more than %d nodes", maxPoints)
	}
	b.nodes = append(b.nodes, &acsi.Node{Name: name, Kind: acsi.ControlBlockNode, CDC: class, Children: attributes})
	return ref, true, nil
}

// dataSet is the data set that the control block names.
func (b *blocker) dataSet(block *controlBlock) acsi.Ref {
	ref := b.sets[block.datSet]
	if ref.IsZero() && block.datSet != "" {
		b.finding(ruleBlockDataSet, block.line, block.String(), "the logical node has no DataSet %s", quote(block.datSet))
	}
	return ref
}

// number is the attribute called name, of so many bits; 0 where it is not given.
func (b *blocker) number(block *controlBlock, name, text string, bits int) uint64 {
	n, err := strconv.ParseUint(cmp.Or(text, "0"), 10, bits)
	if err != nil {
		b.finding(ruleBlockValue, block.line, block.String(), "%s=%s is no number from 0 to %d", name, quote(text), uint64(1)<<bits-1)
		return 0
	}
	return n
}

// id is how messages are called: as the control block says, else by its reference.
func (b *blocker) id(block *controlBlock, ref acsi.Ref) string {
	typ, _ := acsi.BasicType("VisString129")
	leaf := &acsi.Node{Name: "its ID", Type: typ}
	if err := leaf.Check(value.Visible(block.id)); err != nil {
		b.finding(ruleBlockValue, block.line, block.String(), "%v", err)
		return ref.MMS()
	}
	return cmp.Or(block.id, ref.MMS())
}

// addReports gives the logical node all instances of a report control block.
//
// IEC 61850-6, 9.3.8.
func (b *blocker) addReports(block *controlBlock) error {
	class := acsi.URCB
	if block.report.buffered {
		class = acsi.BRCB
	}
	report := acsi.ReportControl{DataSet: b.dataSet(block), ConfRev: uint32(b.number(block, "confRev", block.confRev, 32)),
		OptFlds: block.optFlds, TrgOps: block.trgOps, BufTm: uint32(b.number(block, "bufTime", block.report.bufTime, 32)),
		IntgPd: uint32(b.number(block, "intgPd", block.period, 32))}
	for i := range block.instances() {
		name := block.name
		if block.report.indexed {
			name += string([]byte{'0' + byte((i+1)/10), '0' + byte((i+1)%10)})
		}
		ref, ok, err := b.add(class, name, block)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		instance := report
		instance.Ref, instance.RptID = ref, b.id(block, ref)
		if i < len(block.report.clients) {
			instance.Reserved = b.reservedFor(block, block.report.clients[i])
		}
		b.out.Reports = append(b.out.Reports, &instance)
	}
	return nil
}

// instances is how many instances of a report control block are served.
func (block *controlBlock) instances() int {
	if block.report.max == "" || !block.report.indexed {
		return 1
	}
	n, err := strconv.Atoi(block.report.max) // the nearest number where it is out of range
	if errors.Is(err, strconv.ErrSyntax) {
		return 1
	}
	return min(max(n, 1), maxInstances)
}

// reservedFor are the addresses of a client.
func (b *blocker) reservedFor(block *controlBlock, client clientLN) []string {
	addresses := b.addresses[[2]string{client.ied, client.ap}]
	if addresses == nil {
		b.finding(ruleReportClient, client.line, block.String(), "it is not reserved: the file has no address of IED %s, access point %s",
			quote(client.ied), quote(client.ap))
	}
	return addresses
}

// addLogControl gives the logical node a log control block. In Edition 1 a log was called as its logical device, or not at
// all, and needed no Log.
//
// IEC 61850-6, 9.3.9.
func (b *blocker) addLogControl(block *controlBlock) error {
	log := b.logOf(block)
	if log.IsZero() { // its reference would be too long
		return nil
	}
	ref, ok, err := b.add(acsi.LCB, block.name, block)
	if err != nil || !ok {
		return err
	}
	b.out.LogCtrls = append(b.out.LogCtrls, &acsi.LogControl{Ref: ref, DataSet: b.dataSet(block), Log: log,
		LogEna: block.log.enabled, TrgOps: block.trgOps, IntgPd: uint32(b.number(block, "intgPd", block.period, 32)), Reason: block.log.reason})
	return nil
}

// logOf is the log that a log control block writes to, which is there from now on: where the file names none that can be, it is in
// the same logical node, or called as the logical device.
func (b *blocker) logOf(block *controlBlock) acsi.Ref {
	inst := cmp.Or(block.log.ldInst, b.ld.inst)
	at, found := b.lns[[2]string{inst, block.log.ln}]
	if !found {
		b.finding(ruleLogMissing, block.line, block.String(), "there is no logical node %s in logical device %s", quote(block.log.ln), quote(inst))
		at = b.placed
	}
	name := block.log.name
	first := !found || name == "" || name == at.ld.inst // no Log is asked for
	if name == "" || first && !at.logs[name] && at.logs[at.device.Name] {
		name = at.device.Name
	}
	ref, err := at.ref.Child(name)
	if err != nil {
		b.finding(ruleLogMissing, block.line, block.String(), "%v", err)
		name, first = at.device.Name, true
		if ref, err = at.ref.Child(name); err != nil {
			return acsi.Ref{}
		}
	}
	if !at.logs[name] && !first {
		b.finding(ruleLogMissing, block.line, block.String(), "there is no Log %s in logical device %s", quote(name), quote(inst))
	}
	at.addLog(name)
	return ref
}

// addLog gives the logical node a log, once.
func (at *placed) addLog(name string) {
	if at.logs == nil {
		at.logs = map[string]bool{}
	}
	if !at.logs[name] {
		at.logs[name] = true
		at.out.Logs = append(at.out.Logs, name)
	}
}
