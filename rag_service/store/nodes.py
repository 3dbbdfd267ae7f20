"""LlamaIndex's nodes as chunks and back. Pure."""

from __future__ import annotations

from copy import copy

from llama_index.core.schema import BaseNode, MetadataMode, TextNode
from llama_index.core.vector_stores.utils import metadata_dict_to_node, node_to_metadata_dict

from rag_service.chunk import NODE, Chunk
from rag_service.store.faults import StoreFault


def as_chunk(node: BaseNode) -> Chunk:
    """A node with its embedding as a chunk; its document is the node's `ref_doc_id`, or none."""
    if node.embedding is None:
        raise StoreFault(f"The node {node.node_id} has no embedding.")
    text = node.get_content(metadata_mode=MetadataMode.NONE)
    bare = copy(node)  # without the numbers, which would be written out and thrown away
    bare.embedding = None
    metadata = node_to_metadata_dict(bare, remove_text=True)
    content = metadata.pop(NODE)
    return Chunk(node.node_id, node.ref_doc_id or "", text, node.embedding, metadata, content)


def as_node(chunk: Chunk) -> BaseNode:
    """The node that a chunk was; of a chunk that was none, a text node with the same words."""
    if chunk.node is not None:
        node = metadata_dict_to_node({**chunk.metadata, NODE: chunk.node}, chunk.text)
    elif NODE in chunk.metadata:  # as it was kept before it had a column of its own
        node = metadata_dict_to_node(dict(chunk.metadata), chunk.text)
    else:
        node = TextNode(id_=chunk.node_id, text=chunk.text, metadata=dict(chunk.metadata))
    if chunk.embedding:
        node.embedding = list(chunk.embedding)
    return node
