//! A record with the words of an older format. Pure.
//!
//! A serialiser and no search through text: it sees the name of each enum, so that the word `seen` of a kind is never
//! taken for one that somebody wrote into a note.

use std::cell::Cell;

use serde::ser::{
    Error as _, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant,
    SerializeTuple, SerializeTupleStruct, SerializeTupleVariant, Serializer,
};
use serde_json::{Error, Map, Value, map::Entry};

use super::{facts::Fact, newer_words::NewerWord};

/// The fact as a program of this format reads it, as JSON of an object. None: no word in it is newer, or it is none.
pub(super) fn older(fact: &Fact, format: u32, words: &[NewerWord]) -> Option<Vec<u8>> {
    let changed = Cell::new(false);
    let value = fact.serialize_to(Older { format, words, changed: &changed }).ok()?;
    let bytes = serde_json::to_vec(&value).ok()?;
    (changed.get() && bytes.len() > 2 && bytes[0] == b'{').then_some(bytes)
}

#[derive(Clone, Copy)]
struct Older<'a> {
    format: u32,
    words: &'a [NewerWord],
    /// A word was replaced.
    changed: &'a Cell<bool>,
}

impl Older<'_> {
    /// The word that this format has for it. An older word may itself be newer than the format.
    fn word(&self, of: &str, word: &'static str) -> &'static str {
        let mut said = word;
        for _ in 0..self.words.len() {
            let is_it =
                |one: &&NewerWord| one.since > self.format && one.word == said && one.of == of;
            let Some(newer) = self.words.iter().find(is_it) else { break };
            said = newer.read_as;
            self.changed.set(true);
        }
        said
    }

    fn building(self, of: &'static str, wrap: Option<&'static str>) -> Building<Self> {
        Building { own: self, of, wrap, list: Vec::new(), map: Map::new(), key: None }
    }
}

/// A list or an object on its way.
struct Building<O> {
    own: O,
    /// Name of the struct or enum.
    of: &'static str,
    /// It is what the variant of an enum holds.
    wrap: Option<&'static str>,
    list: Vec<Value>,
    map: Map<String, Value>,
    key: Option<String>,
}

impl<'a> Building<Older<'a>> {
    fn push<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.list.push(value.serialize(self.own)?);
        Ok(())
    }

    fn put(&mut self, key: String, value: Value) {
        match self.map.entry(key) {
            Entry::Vacant(place) => drop(place.insert(value)),
            Entry::Occupied(mut there) => add(there.get_mut(), value),
        }
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Error> {
        let value = value.serialize(self.own)?;
        self.put(self.own.word(self.of, name).to_owned(), value);
        Ok(())
    }

    fn wrapped(self, value: Value) -> Value {
        match self.wrap {
            None => value,
            Some(word) => Value::Object(Map::from_iter([(word.to_owned(), value)])),
        }
    }

    fn listed(mut self) -> Value {
        let list = std::mem::take(&mut self.list);
        self.wrapped(Value::Array(list))
    }

    fn mapped(mut self) -> Value {
        let map = std::mem::take(&mut self.map);
        self.wrapped(Value::Object(map))
    }
}

/// Two words became one: their numbers are of both. Anything else stays as it is.
fn add(there: &mut Value, more: Value) {
    match (there, more) {
        (Value::Object(there), Value::Object(more)) => {
            for (key, value) in more {
                match there.entry(key) {
                    Entry::Vacant(place) => drop(place.insert(value)),
                    Entry::Occupied(mut there) => add(there.get_mut(), value),
                }
            }
        }
        (there, more) => {
            if let Some(sum) = there.as_u64().zip(more.as_u64()) {
                *there = Value::from(sum.0.saturating_add(sum.1));
            }
        }
    }
}

/// What has no word in it, as JSON has it.
macro_rules! plain {
    ($($name:ident: $type:ty,)*) => {
        $(fn $name(self, value: $type) -> Result<Value, Error> {
            Ok(Value::from(value))
        })*
    };
}

impl<'a> Serializer for Older<'a> {
    type Ok = Value;
    type Error = Error;
    type SerializeSeq = Building<Self>;
    type SerializeTuple = Building<Self>;
    type SerializeTupleStruct = Building<Self>;
    type SerializeTupleVariant = Building<Self>;
    type SerializeMap = Building<Self>;
    type SerializeStruct = Building<Self>;
    type SerializeStructVariant = Building<Self>;

    plain! {
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32,
        serialize_i64: i64, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32,
        serialize_u64: u64, serialize_f32: f32, serialize_f64: f64, serialize_str: &str,
        serialize_bytes: &[u8],
    }

    fn serialize_char(self, value: char) -> Result<Value, Error> {
        Ok(Value::from(value.to_string()))
    }
    fn serialize_none(self) -> Result<Value, Error> {
        Ok(Value::Null)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, Error> {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Result<Value, Error> {
        Ok(Value::Null)
    }
    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, Error> {
        Ok(Value::Null)
    }
    fn serialize_unit_variant(
        self,
        of: &'static str,
        _: u32,
        word: &'static str,
    ) -> Result<Value, Error> {
        Ok(Value::from(self.word(of, word)))
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        of: &'static str,
        _: u32,
        word: &'static str,
        value: &T,
    ) -> Result<Value, Error> {
        let value = value.serialize(self)?;
        Ok(self.building(of, Some(self.word(of, word))).wrapped(value))
    }
    fn serialize_seq(self, _: Option<usize>) -> Result<Building<Self>, Error> {
        Ok(self.building("", None))
    }
    fn serialize_tuple(self, _: usize) -> Result<Building<Self>, Error> {
        Ok(self.building("", None))
    }
    fn serialize_tuple_struct(self, of: &'static str, _: usize) -> Result<Building<Self>, Error> {
        Ok(self.building(of, None))
    }
    fn serialize_tuple_variant(
        self,
        of: &'static str,
        _: u32,
        word: &'static str,
        _: usize,
    ) -> Result<Building<Self>, Error> {
        Ok(self.building(of, Some(self.word(of, word))))
    }
    fn serialize_map(self, _: Option<usize>) -> Result<Building<Self>, Error> {
        Ok(self.building("", None))
    }
    fn serialize_struct(self, of: &'static str, _: usize) -> Result<Building<Self>, Error> {
        Ok(self.building(of, None))
    }
    fn serialize_struct_variant(
        self,
        of: &'static str,
        _: u32,
        word: &'static str,
        _: usize,
    ) -> Result<Building<Self>, Error> {
        Ok(self.building("", Some(self.word(of, word))))
    }
}

/// The ways in which serde gives a list.
macro_rules! lists {
    ($($trait:ident $method:ident,)*) => {
        $(impl $trait for Building<Older<'_>> {
            type Ok = Value;
            type Error = Error;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.push(value)
            }
            fn end(self) -> Result<Value, Error> {
                Ok(self.listed())
            }
        })*
    };
}

lists! {
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field,
}

/// And fields.
macro_rules! fields {
    ($($trait:ident)*) => {
        $(impl $trait for Building<Older<'_>> {
            type Ok = Value;
            type Error = Error;
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                self.field(name, value)
            }
            fn end(self) -> Result<Value, Error> {
                Ok(self.mapped())
            }
        })*
    };
}

fields! { SerializeStruct SerializeStructVariant }

impl SerializeMap for Building<Older<'_>> {
    type Ok = Value;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key = Some(match key.serialize(self.own)? {
            Value::String(word) => word,
            key @ (Value::Number(_) | Value::Bool(_)) => key.to_string(),
            _ => return Err(Error::custom("a key that is no word")),
        });
        Ok(())
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let value = value.serialize(self.own)?;
        let key = self.key.take().ok_or_else(|| Error::custom("a value without a key"))?;
        self.put(key, value);
        Ok(())
    }
    fn end(self) -> Result<Value, Error> {
        Ok(self.mapped())
    }
}
