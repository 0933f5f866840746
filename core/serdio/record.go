package serdio

// Record is an instance of a dataclass of Python.
type Record struct {
	Name   string // the name that both sides know the class by
	Fields Map    // each key is a string, and stands once
}

// Ext is the record for Encode.
func (r Record) Ext() (Ext, error) {
	contents := []any{r.Name}
	for _, pair := range r.Fields {
		if _, ok := pair.Key.(string); !ok {
			return Ext{}, argument("the name of a field is not text: give it as a string")
		}
		contents = append(contents, pair.Key, pair.Value)
	}
	if !r.distinct() {
		return Ext{}, argument("a record has a field twice: give each once")
	}
	data, err := encodeValue(contents)
	if err != nil {
		return Ext{}, err
	}
	return Ext{CodeDataclass, data}, nil
}

// Record returns an instance of a dataclass.
func (e Ext) Record() (Record, error) {
	if err := e.wants(CodeDataclass); err != nil {
		return Record{}, err
	}
	value, err := decodeValue(e.Data)
	if err != nil {
		return Record{}, err
	}
	contents, ok := value.([]any)
	if !ok || len(contents)%2 == 0 {
		return Record{}, errRecord()
	}
	var r Record
	if r.Name, ok = contents[0].(string); !ok {
		return Record{}, errRecord()
	}
	for fields := contents[1:]; len(fields) > 0; fields = fields[2:] {
		if _, ok := fields[0].(string); !ok {
			return Record{}, errRecord()
		}
		r.Fields = append(r.Fields, Pair{fields[0], fields[1]})
	}
	if !r.distinct() {
		return Record{}, malformed("type", "a dataclass in the serdio data has a field twice")
	}
	return r, nil
}

func (r Record) distinct() bool {
	names := make(map[any]bool, len(r.Fields))
	for _, pair := range r.Fields {
		names[pair.Key] = true
	}
	return len(names) == len(r.Fields)
}

func errRecord() error {
	return malformed("type", "a dataclass in the serdio data is not its name and its fields")
}
