package site

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"go.yaml.in/yaml/v4"

	"busbar.example/process/sunspec"
)

// mappingFile is the form of a mapping file. Unknown fields are refused.
type mappingFile struct {
	Connect  string           `yaml:"connect"`
	Unit     byte             `yaml:"unit"`
	Poll     time.Duration    `yaml:"poll"`
	Timeout  time.Duration    `yaml:"timeout"`
	Gone     time.Duration    `yaml:"gone"`
	Values   []mappingValue   `yaml:"values"`
	Controls []mappingControl `yaml:"controls"`
	Settings []mappingControl `yaml:"settings"`
}

type mappingValue struct {
	Ref    string           `yaml:"ref"`
	Point  string           `yaml:"point"`
	Factor float64          `yaml:"factor"`
	Offset float64          `yaml:"offset"`
	Map    map[int64]string `yaml:"map"`
	Bit    *int             `yaml:"bit"`
}

type mappingControl struct {
	Ref    string           `yaml:"ref"`
	Point  string           `yaml:"point"`
	Factor float64          `yaml:"factor"`
	Offset float64          `yaml:"offset"`
	Map    map[int64]string `yaml:"map"`
	Min    *float64         `yaml:"min"`
	Max    *float64         `yaml:"max"`
	With   []mappingWrite   `yaml:"with"`
	Enable string           `yaml:"enable"`
	Verify time.Duration    `yaml:"verify"`
}

type mappingWrite struct {
	Point string  `yaml:"point"`
	Value float64 `yaml:"value"`
}

const hintMapping = "its fields are connect, unit, poll, timeout, gone, values, controls and settings: docs/sunspec.md explains them"

// readMapping reads a mapping file.
func readMapping(file string) (sunspec.Mapping, error) {
	f, err := os.Open(file)
	if err != nil {
		return sunspec.Mapping{}, Hint(err, "give the path of a mapping file, as --process sunspec:inverter.yaml")
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfigSize+1))
	if err != nil {
		return sunspec.Mapping{}, fmt.Errorf("%s: %w", file, err)
	}
	if len(text) > maxConfigSize {
		return sunspec.Mapping{}, fmt.Errorf("%s: more than %d octets", file, maxConfigSize)
	}
	m, err := parseMapping(text)
	if err != nil {
		return sunspec.Mapping{}, Hint(fmt.Errorf("%s: %w", file, err), hintMapping)
	}
	return m, nil
}

func parseMapping(text []byte) (sunspec.Mapping, error) {
	f, err := decodeStrictly[mappingFile](text)
	if err != nil {
		return sunspec.Mapping{}, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return sunspec.Mapping{}, err
	}
	m := sunspec.Mapping{Connect: f.Connect, Unit: f.Unit, Poll: f.Poll, Timeout: f.Timeout, Gone: f.Gone}
	lines := entryLines(&doc)
	for i, v := range f.Values {
		m.Values = append(m.Values, sunspec.Value{Line: lines("values", i), Ref: v.Ref, Point: v.Point, Factor: v.Factor, Offset: v.Offset,
			Map: v.Map, Bit: v.Bit})
	}
	for i, c := range f.Controls {
		m.Controls = append(m.Controls, c.control(lines("controls", i)))
	}
	for i, c := range f.Settings {
		m.Settings = append(m.Settings, c.control(lines("settings", i)))
	}
	return m, nil
}

func (c *mappingControl) control(line int) sunspec.Control {
	out := sunspec.Control{Line: line, Ref: c.Ref, Point: c.Point, Factor: c.Factor, Offset: c.Offset, Map: c.Map, Min: c.Min, Max: c.Max,
		Enable: c.Enable, Verify: c.Verify}
	for _, w := range c.With {
		out.With = append(out.With, sunspec.Write{Point: w.Point, Value: w.Value})
	}
	return out
}

// entryLines tells the line in which an entry of a list begins.
func entryLines(doc *yaml.Node) func(list string, i int) int {
	lists := map[string]*yaml.Node{}
	if len(doc.Content) == 1 && doc.Content[0].Kind == yaml.MappingNode {
		for fields := doc.Content[0].Content; len(fields) >= 2; fields = fields[2:] {
			lists[fields[0].Value] = fields[1]
		}
	}
	return func(list string, i int) int {
		if n := lists[list]; n != nil && i < len(n.Content) {
			return n.Content[i].Line
		}
		return 0
	}
}

// aboutMapping names the file in an error of a mapping, and makes its hint ours.
func aboutMapping(err error, file string) error {
	wrong, ok := errors.AsType[*sunspec.MappingError](err)
	if !ok {
		return err
	}
	return Hint(fmt.Errorf("%s: %w", file, wrong), wrong.Hint)
}
